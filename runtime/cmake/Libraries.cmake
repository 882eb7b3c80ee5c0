# kvasir_runtime: everything as a static library, for programs of this tree and for unit tests.
# kvasir_shared: libkvasir.so, of which only kvasir_* can be seen.
add_library(kvasir_runtime STATIC
  api/Engine.cpp api/Error.cpp api/Model.cpp api/Request.cpp api/Text.cpp
  artifact/Artifact.cpp artifact/Check.cpp artifact/Embedded.cpp artifact/MappedFile.cpp artifact/Resident.cpp
  batch/Engine.cpp batch/Forward.cpp batch/KvCache.cpp batch/Request.cpp batch/Scheduler.cpp
  batch/StepBuilder.cpp batch/StepRunner.cpp batch/StopMatcher.cpp
  cuda/Bandwidth.cpp cuda/Code.cpp cuda/Context.cpp cuda/CudaDevice.cpp cuda/CudaExecutor.cpp cuda/Driver.cpp cuda/Platform.cpp
  cuda/Programs.cpp cuda/StepBlock.cpp cuda/Weights.cpp
  device/Choose.cpp
  loader/CodeObject.cpp loader/CpuFeatures.cpp
  memory/Allocation.cpp memory/Machine.cpp memory/Plan.cpp
  model/Model.cpp sampling/Sampler.cpp
  workers/Barrier.cpp workers/Checker.cpp workers/CpuDevice.cpp workers/Executor.cpp workers/WorkerPool.cpp)
kvasir_flatbuffer(kvasir_runtime ${CMAKE_CURRENT_SOURCE_DIR}/../include/kvasir/Artifact/Module.fbs)
target_compile_features(kvasir_runtime PUBLIC cxx_std_20)
# No contraction: what a request draws must not depend on the compiler's taste.
target_compile_options(kvasir_runtime PRIVATE -Wall -Wextra -ffp-contract=off)
target_include_directories(kvasir_runtime PUBLIC
  $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}> $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/../include>)
target_link_libraries(kvasir_runtime PUBLIC kvasir_tokenizer Threads::Threads
  PRIVATE PkgConfig::XXHASH ${CMAKE_DL_LIBS})

file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/empty.c "typedef int kvasir_empty;\n")
set(exports ${CMAKE_CURRENT_SOURCE_DIR}/cmake/exports.map)
add_library(kvasir_shared SHARED ${CMAKE_CURRENT_BINARY_DIR}/empty.c)
target_link_libraries(kvasir_shared PRIVATE $<LINK_LIBRARY:WHOLE_ARCHIVE,kvasir_runtime>)
target_link_options(kvasir_shared PRIVATE -Wl,--version-script=${exports})
set_target_properties(kvasir_shared PROPERTIES OUTPUT_NAME kvasir EXPORT_NAME kvasir LINKER_LANGUAGE CXX
  VERSION ${PROJECT_VERSION} SOVERSION 0 LINK_DEPENDS ${exports})
