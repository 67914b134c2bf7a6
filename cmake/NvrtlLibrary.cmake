# SPDX-License-Identifier: BSD-2-Clause
# libnvrtl.so and libnvrtl.a. The version map is the one list of what either of them shows.

set(api_map ${PROJECT_SOURCE_DIR}/src/api/nvrtl.map)
nvrtl_rooms(library_headers base range event)
nvrtl_rooms(library_objects observe os isa map token store flush drain api)

add_library(nvrtl SHARED)
add_library(nvrtl::nvrtl ALIAS nvrtl)
target_link_libraries(nvrtl PRIVATE nvrtl_compile ${library_headers} ${library_objects}
                                    Threads::Threads ${CMAKE_DL_LIBS})
target_include_directories(nvrtl INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                           $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
# nodelete: a verifier's hook and the fork handlers point into the library for the life of the
# process.
target_link_options(nvrtl PRIVATE -Wl,--version-script=${api_map}
                    -Wl,-z,nodelete,-z,relro,-z,now,--no-undefined -static-libgcc)
set_target_properties(
    nvrtl PROPERTIES LINKER_LANGUAGE C VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
                     LINK_DEPENDS ${api_map} LIBRARY_OUTPUT_DIRECTORY ${NVRTL_LIB_DIR})

# The archive holds one object: the rooms linked together, every name that is not API made local,
# so that no program can clash with, or come to depend on, a name of ours.
file(STRINGS ${api_map} api_lines REGEX "^ +(Rtl|NvRtl)[A-Za-z]+;")
list(TRANSFORM api_lines REPLACE "[ ;]" "")
string(REPLACE ";" "\n" api_names "${api_lines}")
file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/api-names.txt CONTENT "${api_names}\n" @ONLY)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${api_map})

list(TRANSFORM library_objects REPLACE ".+" "$<TARGET_OBJECTS:\\0>" OUTPUT_VARIABLE static_inputs)
# Objects of a link-time optimised build hold no machine code; this is where they get it.
set(static_flags -r -nostdlib)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    list(APPEND static_flags -flinker-output=nolto-rel)
endif()
separate_arguments(compiler_flags UNIX_COMMAND "${CMAKE_C_FLAGS}")
set(static_object ${CMAKE_CURRENT_BINARY_DIR}/nvrtl.o)
add_custom_command(
    OUTPUT ${static_object}
    COMMAND ${CMAKE_C_COMPILER} ${compiler_flags} ${static_flags} -o ${static_object}.all
            ${static_inputs}
    COMMAND ${CMAKE_OBJCOPY} --keep-global-symbols=${CMAKE_CURRENT_BINARY_DIR}/api-names.txt
            ${static_object}.all ${static_object}
    DEPENDS ${static_inputs} ${CMAKE_CURRENT_BINARY_DIR}/api-names.txt
    COMMAND_EXPAND_LISTS VERBATIM
    COMMENT "Linking C object nvrtl.o")

add_library(nvrtl_static STATIC ${static_object})
add_dependencies(nvrtl_static ${library_objects})
add_library(nvrtl::nvrtl_static ALIAS nvrtl_static)
target_link_libraries(nvrtl_static INTERFACE Threads::Threads ${CMAKE_DL_LIBS})
target_include_directories(
    nvrtl_static INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                           $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
set_target_properties(nvrtl_static PROPERTIES LINKER_LANGUAGE C OUTPUT_NAME nvrtl
                                              ARCHIVE_OUTPUT_DIRECTORY ${NVRTL_LIB_DIR})
