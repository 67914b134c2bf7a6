# SPDX-License-Identifier: BSD-2-Clause
# The verifier: what runs inside the program under test, what judges it in the parent, and the
# command.

set(rt_map ${PROJECT_SOURCE_DIR}/src/source/nvrtl-rt.map)
nvrtl_rooms(rt_rooms base range event os map code track model arena source hook)
add_library(nvrtl_rt SHARED)
target_link_libraries(nvrtl_rt PRIVATE nvrtl_compile ${rt_rooms} Threads::Threads)
# What the library copies and clears itself is nobody's store.
target_link_options(nvrtl_rt PRIVATE -Wl,--wrap=memcpy,--wrap=memmove,--wrap=memset)
target_link_options(nvrtl_rt PRIVATE -Wl,--version-script=${rt_map}
                    -Wl,-z,nodelete,-z,relro,-z,now,--no-undefined -static-libgcc)
set_target_properties(
    nvrtl_rt PROPERTIES LINKER_LANGUAGE C OUTPUT_NAME nvrtl-rt LINK_DEPENDS ${rt_map}
                        LIBRARY_OUTPUT_DIRECTORY ${NVRTL_LIB_DIR}/nvrtl)

# What is loaded before programs that are to be watched.
nvrtl_rooms(watch_rooms watch)
add_library(nvrtl_watch MODULE)
target_link_libraries(nvrtl_watch PRIVATE nvrtl_compile ${watch_rooms} nvrtl_rt)
target_link_options(nvrtl_watch PRIVATE -Wl,-z,nodelete,-z,relro,-z,now,--no-undefined)
set_target_properties(
    nvrtl_watch PROPERTIES LINKER_LANGUAGE C OUTPUT_NAME nvrtl-watch BUILD_WITH_INSTALL_RPATH ON
                           INSTALL_RPATH "$ORIGIN"
                           LIBRARY_OUTPUT_DIRECTORY ${NVRTL_LIB_DIR}/nvrtl)

nvrtl_rooms(check_rooms base range event code model arena verify report)
add_library(nvrtl_check STATIC)
target_link_libraries(nvrtl_check PRIVATE nvrtl_compile ${check_rooms} PkgConfig::libdw
                                          PkgConfig::jansson)
set_target_properties(nvrtl_check PROPERTIES LINKER_LANGUAGE C)

nvrtl_rooms(cli_rooms base range os isa store map track trace sandbox cut crash search record bench
            cli)
add_executable(nvrtl_cli)
add_executable(nvrtl::check ALIAS nvrtl_cli)
target_link_libraries(nvrtl_cli PRIVATE nvrtl_compile ${cli_rooms} nvrtl_check nvrtl
                                        PkgConfig::libzstd Threads::Threads m ${CMAKE_DL_LIBS})
target_compile_definitions(room_cli PRIVATE NVRTL_VERSION="${PROJECT_VERSION}"
                                            NVRTL_RT_INSTALL_DIR="${NVRTL_RT_INSTALL_DIR}")
set_target_properties(
    nvrtl_cli PROPERTIES LINKER_LANGUAGE C OUTPUT_NAME nvrtl
                         RUNTIME_OUTPUT_DIRECTORY ${NVRTL_BIN_DIR} BUILD_WITH_INSTALL_RPATH ON
                         INSTALL_RPATH "$ORIGIN/${NVRTL_BIN_TO_LIB}")
add_dependencies(nvrtl_cli nvrtl_rt nvrtl_watch)

# nvrtl-cc, nvrtl-c++, and what gcc and clang find in place of the assembler.
nvrtl_rooms(cc_rooms base cc)
add_executable(nvrtl_cc)
target_link_libraries(nvrtl_cc PRIVATE nvrtl_compile ${cc_rooms} PkgConfig::libdw)
target_compile_definitions(room_cc PRIVATE NVRTL_RT_INSTALL_DIR="${NVRTL_RT_INSTALL_DIR}")
set_target_properties(nvrtl_cc PROPERTIES LINKER_LANGUAGE C OUTPUT_NAME nvrtl-cc
                                          RUNTIME_OUTPUT_DIRECTORY ${NVRTL_BIN_DIR})
nvrtl_rooms(as_rooms base as)
add_executable(nvrtl_as)
target_link_libraries(nvrtl_as PRIVATE nvrtl_compile ${as_rooms})
set_target_properties(nvrtl_as PROPERTIES LINKER_LANGUAGE C OUTPUT_NAME as
                                          RUNTIME_OUTPUT_DIRECTORY ${NVRTL_CC_DIR})
add_custom_command(
    TARGET nvrtl_cc POST_BUILD
    COMMAND ${CMAKE_COMMAND} -E create_symlink nvrtl-cc ${NVRTL_BIN_DIR}/nvrtl-c++ VERBATIM)
configure_file(${PROJECT_SOURCE_DIR}/src/cc/gcc.specs ${NVRTL_CC_DIR}/gcc.specs COPYONLY)
add_dependencies(nvrtl_cc nvrtl_as nvrtl_rt)
