# kvasir_prefer_static(PREFIX): the imported target PkgConfig::PREFIX of a small library becomes its static archive where
# there is one, so that what is linked runs on machines that lack the library.
include_guard(GLOBAL)
function(kvasir_prefer_static prefix)
  list(GET ${prefix}_LIBRARIES 0 name)
  find_library(KVASIR_${prefix}_ARCHIVE NAMES lib${name}.a HINTS ${${prefix}_LIBRARY_DIRS} ${${prefix}_LIBDIR})
  mark_as_advanced(KVASIR_${prefix}_ARCHIVE)
  if(KVASIR_${prefix}_ARCHIVE)
    set_property(TARGET PkgConfig::${prefix} PROPERTY INTERFACE_LINK_LIBRARIES ${KVASIR_${prefix}_ARCHIVE})
  endif()
endfunction()
