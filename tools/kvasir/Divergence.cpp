// Cross entropy and Kullback-Leibler divergence of logits.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Divergence.h"

#include <algorithm>
#include <cmath>

namespace kvasir::cli {

namespace {
/// A row of logits, ready to be made probabilities of.
struct Row {
  Row(const float *logits, size_t vocabulary);
  double logProbability(size_t id) const { return double(logits[id]) - logSum; }

  const float *logits;
  size_t best = 0;   ///< the lowest id among the most probable
  double logSum = 0; ///< log of the sum of exponentials
  bool finite = true;
};
} // namespace

Row::Row(const float *logits, size_t vocabulary) : logits(logits) {
  for (size_t i = 0; i < vocabulary; ++i) {
    finite &= std::isfinite(logits[i]);
    if (logits[i] > logits[best])
      best = i;
  }
  double sum = 0, most = double(logits[best]);
  for (size_t i = 0; i < vocabulary; ++i)
    sum += std::exp(double(logits[i]) - most);
  logSum = most + std::log(sum);
}

static double divergenceOf(const Row &model, const Row &reference, size_t vocabulary) {
  double sum = 0;
  for (size_t i = 0; i < vocabulary; ++i) {
    double wanted = reference.logProbability(i);
    sum += std::exp(wanted) * (wanted - model.logProbability(i));
  }
  return std::max(0.0, sum); // rounding may leave it a little below
}

bool Divergence::add(const float *logits, const float *reference, size_t vocabulary, int32_t next) {
  Row row(logits, vocabulary);
  if (!row.finite)
    return false;
  if (reference) {
    Row other(reference, vocabulary);
    if (!other.finite)
      return false;
    double here = divergenceOf(row, other, vocabulary);
    divergence += here;
    largest = std::max(largest, here);
    referenceLoss -= other.logProbability(size_t(next));
    agreed += row.best == other.best;
  }
  loss -= row.logProbability(size_t(next));
  ++positions;
  return true;
}

} // namespace kvasir::cli
