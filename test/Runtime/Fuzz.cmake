# Fuzzers of what the runtime reads; with a sanitizer the replay of their seeds is checked by it.
include(${CMAKE_CURRENT_SOURCE_DIR}/../fuzz/Target.cmake)
set(seeds ${CMAKE_BINARY_DIR}/fuzz-seeds/artifact)
add_executable(kvasir-artifact-seeds ../fuzz/ArtifactSeed.cpp)
target_link_libraries(kvasir-artifact-seeds PRIVATE kvasir_toy)
kvasir_fuzz_seeds(kvasir-artifact-seeds ${seeds})
kvasir_fuzz(artifact ArtifactFuzz.cpp LINK kvasir_runtime SEEDS ${seeds})
add_dependencies(kvasir-fuzz-artifact kvasir-artifact-seeds)
kvasir_fuzz(tokenizer-table TokenizerTableFuzz.cpp LINK kvasir_tokenizer)
