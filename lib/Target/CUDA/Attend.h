// The two kernels of attention, how pages of a cache lie for each, and contexts that blocks share.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TARGET_CUDA_ATTEND_H
#define KVASIR_LIB_TARGET_CUDA_ATTEND_H

#include "KernelEmitter.h"

namespace kvasir::cuda {

/// Whether tensor cores attend to a cache of this type. Its pages then hold, for each head, keys as
/// [64 tokens][head size] and values as [head size][64 tokens]; those of others the other way
/// round, as on a CPU.
bool attendsInTiles(kv::PagedType type);

/// What a phase of attention says: `kv.attend`, or `kv.attend_partitions` and
/// `kv.merge_partitions`.
struct Attention {
  kv::PagedType type;
  Value cache, q;
  Value out;              ///< the buffer of the result
  mlir::Operation *write; ///< what puts it there
  int64_t heads;          ///< of the queries
  double scale;
  int64_t partitions; ///< most of a token; 0: it is `kv.attend`, nothing is split
  Value parts;        ///< the buffer of what partitions leave to be merged
  /// A word for each token and head of queries, zero when the kernel starts: `countOf`.
  Value counts;

  int64_t group() const { return heads / type.getHeads(); }
};
Attention attentionOf(step::PhaseOp phase);

/// First key that the token at position `end - 1` sees.
Value beginOf(KernelEmitter &e, int64_t window, Value end);

/// How a partition's maximum and sum of weights enter what was folded before it.
struct PartitionFold {
  Value seen;    ///< i1: whether the row sees anything of it; else nothing changes
  Value maximum; ///< of both
  Value before;  ///< factor of what was folded before
  Value added;   ///< factor of the partition's sums
};
PartitionFold foldPartition(KernelEmitter &e, Value maximum, Value partMaximum, Value partSum);
/// sum * before + part * added, or `sum` where nothing is seen.
Value foldSum(KernelEmitter &e, const PartitionFold &fold, Value sum, Value part);

/// The maximum, or 0 where nothing is seen: so that differences are no NaN.
Value finiteMaximum(KernelEmitter &e, Value maximum);

/// What a block does at a time: up to `rows` query rows (tokens of an attention block times heads
/// of the group) of a head of the cache, over the whole context or one partition of it.
struct AttendItem {
  Value first, count; ///< tokens of the attention block
  Value head, chunk;
  Value partition;  ///< null: the whole context
  Value partitions; ///< how many items differ from this one in their partition, it among them
};
Items forAttendItems(KernelEmitter &e, const Attention &op, int64_t rows,
                     llvm::function_ref<void(const AttendItem &)> body);

/// Where a row of queries of an item leaves its partition to be merged.
struct PartitionPlace {
  Value wanted; ///< i1: whether the row is there and sees anything of the partition
  Value sums;   ///< address of its `head size` sums
  Value pair;   ///< address of its maximum and sum of weights
};
PartitionPlace partitionPlace(KernelEmitter &e, const Attention &op, const AttendItem &item,
                              Value row);

/// Of items that share a context, each of which has left its partition: the last one to come here
/// folds them all and writes the result. `partitions`: of the item; `shared`: room for a word.
void mergePartitions(KernelEmitter &e, const Attention &op, const AttendItem &item, int64_t rows,
                     Value partitions, Value shared);

mlir::FailureOr<Items> emitAttendTiles(KernelEmitter &e);

} // namespace kvasir::cuda

#endif // KVASIR_LIB_TARGET_CUDA_ATTEND_H
