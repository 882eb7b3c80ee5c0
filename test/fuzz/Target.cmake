# kvasir_fuzz(NAME SOURCE [LINK libraries...] [SEEDS directories...]): the program kvasir-fuzz-NAME. With KVASIR_FUZZ=ON
# it is a libFuzzer program (see scripts/fuzz.sh); else it replays corpus/NAME, the seeds and deterministic mutations
# of both, as the test fuzz-NAME.
include_guard(GLOBAL)
function(kvasir_fuzz name source)
  cmake_parse_arguments(ARG "" "" "LINK;SEEDS" ${ARGN})
  set(here ${CMAKE_CURRENT_FUNCTION_LIST_DIR})
  add_executable(kvasir-fuzz-${name} ${here}/${source})
  target_link_libraries(kvasir-fuzz-${name} PRIVATE ${ARG_LINK})
  if(KVASIR_FUZZ)
    target_link_options(kvasir-fuzz-${name} PRIVATE -fsanitize=fuzzer)
    return()
  endif()
  target_sources(kvasir-fuzz-${name} PRIVATE ${here}/Replay.cpp)
  add_test(NAME fuzz-${name} COMMAND kvasir-fuzz-${name} ${here}/corpus/${name} ${ARG_SEEDS})
  set_tests_properties(fuzz-${name} PROPERTIES LABELS fuzz TIMEOUT 600)
endfunction()

# kvasir_fuzz_seeds(PROGRAM DIRECTORY arguments...): the program writes seeds into the directory when it is built.
function(kvasir_fuzz_seeds program directory)
  add_custom_command(TARGET ${program} POST_BUILD COMMAND ${CMAKE_COMMAND} -E rm -rf ${directory}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${directory} COMMAND ${program} ${ARGN} ${directory})
endfunction()
