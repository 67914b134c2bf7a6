# SPDX-License-Identifier: BSD-2-Clause
# Where things go. The build tree has the shape of an installed prefix, so that the command finds
# its libraries relative to itself by the same path in both.

# GNUInstallDirs says lib64 on some systems for every prefix; only /usr has such a rule.
if(NOT DEFINED CMAKE_INSTALL_LIBDIR AND NOT CMAKE_INSTALL_PREFIX MATCHES "^/usr/?$")
    set(CMAKE_INSTALL_LIBDIR lib)
endif()
include(GNUInstallDirs)

foreach(kind BINDIR LIBDIR INCLUDEDIR)
    if(IS_ABSOLUTE "${CMAKE_INSTALL_${kind}}")
        message(FATAL_ERROR "CMAKE_INSTALL_${kind} must be relative to the prefix")
    endif()
endforeach()

set(NVRTL_BIN_DIR ${PROJECT_BINARY_DIR}/${CMAKE_INSTALL_BINDIR})
set(NVRTL_LIB_DIR ${PROJECT_BINARY_DIR}/${CMAKE_INSTALL_LIBDIR})
file(RELATIVE_PATH NVRTL_BIN_TO_LIB /${CMAKE_INSTALL_BINDIR} /${CMAKE_INSTALL_LIBDIR})

# From the folder of the command to the folder of libnvrtl-rt.so.
set(NVRTL_RT_INSTALL_DIR ${NVRTL_BIN_TO_LIB}/nvrtl)

# Where gcc and clang look for the assembler step.
set(NVRTL_CC_DIR ${NVRTL_LIB_DIR}/nvrtl/cc)
