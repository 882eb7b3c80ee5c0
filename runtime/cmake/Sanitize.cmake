# KVASIR_SANITIZE=address|undefined|thread instruments everything that is added after this.
include_guard(GLOBAL)
set(KVASIR_SANITIZE "" CACHE STRING "sanitizers for all code: address, undefined, thread or fuzzer-no-link; a list is allowed")
if(KVASIR_SANITIZE)
  string(REPLACE ";" "," sanitizers "${KVASIR_SANITIZE}")
  add_compile_options(-fsanitize=${sanitizers} -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
  add_link_options(-fsanitize=${sanitizers})
endif()
