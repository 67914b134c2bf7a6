# SPDX-License-Identifier: BSD-2-Clause
# The library compiled as it is shipped, whatever this build's own flags are: what a call costs is
# measured on that.

separate_arguments(shipped_flags UNIX_COMMAND "${CMAKE_C_FLAGS_RELEASE}")

# nvrtl_shipped_library(<name> [<include folder before src/>])
function(nvrtl_shipped_library name)
    add_library(${name} SHARED)
    foreach(room IN LISTS library_rooms)
        get_target_property(sources room_${room} SOURCES)
        get_target_property(folder room_${room} SOURCE_DIR)
        list(TRANSFORM sources PREPEND ${folder}/)
        target_sources(${name} PRIVATE ${sources})
    endforeach()
    target_include_directories(${name} BEFORE PRIVATE ${ARGN})
    target_include_directories(${name} INTERFACE ${PROJECT_SOURCE_DIR}/include)
    target_compile_options(${name} PRIVATE ${shipped_flags} -ftls-model=initial-exec)
    target_link_libraries(${name} PRIVATE nvrtl_compile Threads::Threads ${CMAKE_DL_LIBS})
    target_link_options(
        ${name} PRIVATE -Wl,--version-script=${PROJECT_SOURCE_DIR}/src/api/nvrtl.map -Wl,-z,now)
    set_target_properties(${name} PROPERTIES LINKER_LANGUAGE C C_VISIBILITY_PRESET hidden)
endfunction()

set(library_rooms observe isa os map token store flush drain api)
nvrtl_shipped_library(nvrtl_shipped)
# The same without a listener: observed() is false for the compiler.
nvrtl_shipped_library(nvrtl_unobserved ${CMAKE_CURRENT_SOURCE_DIR}/unobserved)
