# kvasir_flatbuffer(target file.fbs): kvasir/Artifact/<Name>_generated.h under ${CMAKE_BINARY_DIR}/include, made
# before `target`, which gets that directory as a public include directory. Many targets may ask for one schema.
# Enumerations are scoped; the object API (<Table>T) is there for writers.
include_guard(GLOBAL)
find_program(KVASIR_FLATC flatc REQUIRED)
function(kvasir_flatbuffer target schema)
  get_filename_component(schema ${schema} ABSOLUTE)
  get_filename_component(name ${schema} NAME_WE)
  set(directory ${CMAKE_BINARY_DIR}/include/kvasir/Artifact)
  if(NOT TARGET kvasir_schema_${name})
    add_custom_command(OUTPUT ${directory}/${name}_generated.h DEPENDS ${schema}
      COMMAND ${KVASIR_FLATC} --cpp --scoped-enums --gen-object-api --warnings-as-errors -o ${directory} ${schema})
    add_custom_target(kvasir_schema_${name} DEPENDS ${directory}/${name}_generated.h)
  endif()
  add_dependencies(${target} kvasir_schema_${name})
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${CMAKE_BINARY_DIR}/include>)
endfunction()
