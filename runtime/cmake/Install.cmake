# What other programs build against: libkvasir, its C headers, a CMake package and a pkg-config file.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
target_include_directories(kvasir_shared INTERFACE
  $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/../include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
add_library(kvasir::kvasir ALIAS kvasir_shared)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/kvasir)
install(TARGETS kvasir_shared EXPORT kvasirTargets COMPONENT runtime)
install(DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/../include/kvasir-c DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT runtime)
install(EXPORT kvasirTargets NAMESPACE kvasir:: DESTINATION ${package} COMPONENT runtime)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/kvasirConfig.cmake.in
  ${CMAKE_CURRENT_BINARY_DIR}/kvasirConfig.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/kvasirConfigVersion.cmake
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/kvasirConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/kvasirConfigVersion.cmake
  DESTINATION ${package} COMPONENT runtime)
file(RELATIVE_PATH up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /) # so that the tree can be moved
configure_file(${CMAKE_CURRENT_LIST_DIR}/kvasir.pc.in ${CMAKE_CURRENT_BINARY_DIR}/kvasir.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/kvasir.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT runtime)
