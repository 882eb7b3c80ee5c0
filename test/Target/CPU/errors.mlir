// RUN: kvasir-opt %s --kvasir-lower -verify-diagnostics

// expected-error @below {{expected phases to lower; run `schedule` first}}
module {}
