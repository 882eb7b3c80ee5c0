# kvasir-artifact-fuzz: the libFuzzer target with Clang; elsewhere a program that replays a corpus. The test
# runs it over its seeds.
add_executable(kvasir-artifact-seeds ../fuzz/ArtifactSeed.cpp)
target_link_libraries(kvasir-artifact-seeds PRIVATE kvasir_toy)
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  add_executable(kvasir-artifact-fuzz ../fuzz/ArtifactFuzz.cpp ../../runtime/artifact/Check.cpp
    ../../runtime/artifact/Artifact.cpp ../../runtime/memory/Plan.cpp)
  if(NOT KVASIR_SANITIZE MATCHES thread)
    set(instrument -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all)
  else()
    set(instrument -fsanitize=fuzzer)
  endif()
  target_compile_options(kvasir-artifact-fuzz PRIVATE ${instrument})
  target_link_options(kvasir-artifact-fuzz PRIVATE ${instrument})
  target_link_libraries(kvasir-artifact-fuzz PRIVATE kvasir_runtime PkgConfig::XXHASH)
  add_test(NAME runtime-artifact-fuzz COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/fuzz-artifact.sh
    $<TARGET_FILE:kvasir-artifact-fuzz> $<TARGET_FILE:kvasir-artifact-seeds> 0)
  set_tests_properties(runtime-artifact-fuzz PROPERTIES LABELS runtime TIMEOUT 300)
endif()
