/* runtime/emulator as one object file, as data.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
  .section .rodata
  .balign 16
  .globl kvasir_emulator_machine
  .hidden kvasir_emulator_machine
kvasir_emulator_machine:
  .incbin KVASIR_MACHINE
  .globl kvasir_emulator_machine_end
  .hidden kvasir_emulator_machine_end
kvasir_emulator_machine_end:
  .byte 0
  .section .note.GNU-stack,"",@progbits
