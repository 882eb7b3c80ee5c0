// RUN: not kvasir-opt %s --kvasir-lower=target=cuda:sm_91 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not kvasir-opt %s --kvasir-lower=target=cuda: 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not kvasir-opt %s --kvasir-lower=target=cuda:sm_80+sm_80 2>&1 | FileCheck %s --check-prefix=TWICE
// RUN: not kvasir-opt %s --kvasir-lower=target=gpu 2>&1 | FileCheck %s --check-prefix=TARGET

// Names of targets: what is wrong with them, and what there is.
module {}
// UNKNOWN: error: target 'cuda:sm_91': unknown architecture 'sm_91'; expected cpu, or cuda: or emulate:ARCHITECTURE[+ARCHITECTURE...] with sm_80, sm_90, sm_100, sm_120
// NONE: error: target 'cuda:': it names no architecture; expected cpu
// TWICE: error: target 'cuda:sm_80+sm_80': architecture 'sm_80' is there twice; expected cpu
// TARGET: error: target 'gpu': there is no such target; expected cpu
