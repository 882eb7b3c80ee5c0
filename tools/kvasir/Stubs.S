/* Images of executables and libraries, and the text of C headers, as data.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
  .macro embed name, path
  .balign 16
  .globl \name
  .hidden \name
\name:
  .incbin "\path"
  .globl \name\()_end
  .hidden \name\()_end
\name\()_end:
  .byte 0
  .endm

  .section .rodata
  embed kvasir_program_stub, KVASIR_PROGRAM_STUB
  embed kvasir_library_stub, KVASIR_LIBRARY_STUB
  embed kvasir_api_header, KVASIR_API_HEADER
  embed kvasir_embedded_header, KVASIR_EMBEDDED_HEADER
  .section .note.GNU-stack,"",@progbits
