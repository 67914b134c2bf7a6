# SPDX-License-Identifier: BSD-2-Clause
# What a prefix receives. Every file in it can be moved with the prefix.
include(CMakePackageConfigHelpers)

set(nvrtl_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/nvrtl)
set(nvrtl_pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(FILES ${PROJECT_SOURCE_DIR}/include/nvrtl.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS nvrtl nvrtl_static EXPORT nvrtl-targets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(NVRTL_TOOLS)
    install(FILES ${PROJECT_SOURCE_DIR}/include/nvrtl_crash.h
            DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
    set_target_properties(nvrtl_cli PROPERTIES EXPORT_NAME check)
    install(TARGETS nvrtl_cli EXPORT nvrtl-targets DESTINATION ${CMAKE_INSTALL_BINDIR})
    install(TARGETS nvrtl_rt nvrtl_watch DESTINATION ${CMAKE_INSTALL_LIBDIR}/nvrtl)
    install(TARGETS nvrtl_cc DESTINATION ${CMAKE_INSTALL_BINDIR})
    install(FILES ${NVRTL_BIN_DIR}/nvrtl-c++ DESTINATION ${CMAKE_INSTALL_BINDIR})
    install(TARGETS nvrtl_as DESTINATION ${CMAKE_INSTALL_LIBDIR}/nvrtl/cc)
    install(FILES ${PROJECT_SOURCE_DIR}/src/cc/gcc.specs
            DESTINATION ${CMAKE_INSTALL_LIBDIR}/nvrtl/cc)
endif()
install(EXPORT nvrtl-targets NAMESPACE nvrtl:: DESTINATION ${nvrtl_cmake_dir})

configure_package_config_file(
    ${PROJECT_SOURCE_DIR}/cmake/nvrtl-config.cmake.in ${PROJECT_BINARY_DIR}/cmake/nvrtl-config.cmake
    INSTALL_DESTINATION ${nvrtl_cmake_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/cmake/nvrtl-config-version.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/cmake/nvrtl-config.cmake
              ${PROJECT_BINARY_DIR}/cmake/nvrtl-config-version.cmake
              ${PROJECT_SOURCE_DIR}/cmake/NvrtlCheckedTest.cmake DESTINATION ${nvrtl_cmake_dir})

file(RELATIVE_PATH pkgconfig_to_prefix /${nvrtl_pkgconfig_dir} /)
string(REGEX REPLACE "/$" "" pkgconfig_to_prefix "${pkgconfig_to_prefix}")
configure_file(${PROJECT_SOURCE_DIR}/cmake/nvrtl.pc.in ${PROJECT_BINARY_DIR}/cmake/nvrtl.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/cmake/nvrtl.pc DESTINATION ${nvrtl_pkgconfig_dir})

install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/CHANGELOG.md
        DESTINATION ${CMAKE_INSTALL_DOCDIR})
file(GLOB nvrtl_routine_pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/man/*.3)
install(FILES ${nvrtl_routine_pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man3)
if(NVRTL_TOOLS)
    file(GLOB nvrtl_command_pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/man/*.1)
    install(FILES ${nvrtl_command_pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
    set(completion ${PROJECT_SOURCE_DIR}/src/cli/completion)
    install(FILES ${completion}/nvrtl.bash RENAME nvrtl OPTIONAL
            DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
    install(FILES ${completion}/_nvrtl OPTIONAL
            DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
    install(FILES ${PROJECT_SOURCE_DIR}/docs/nvrtl-report-1.schema.json
                  ${PROJECT_SOURCE_DIR}/docs/nvrtl-diff-1.schema.json OPTIONAL
            DESTINATION ${CMAKE_INSTALL_DATADIR}/nvrtl)
endif()
