# SPDX-License-Identifier: BSD-2-Clause
# What is asked of the system. libnvrtl itself needs nothing but libc.

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(PkgConfig)

if(PkgConfig_FOUND)
    pkg_check_modules(cmocka IMPORTED_TARGET cmocka)
endif()

if(NVRTL_TOOLS)
    if(PkgConfig_FOUND)
        pkg_check_modules(libdw IMPORTED_TARGET libdw)
        pkg_check_modules(jansson IMPORTED_TARGET jansson>=2.11)
        pkg_check_modules(libzstd IMPORTED_TARGET libzstd>=1.4)
    endif()
    if(NOT libdw_FOUND OR NOT jansson_FOUND OR NOT libzstd_FOUND)
        message(FATAL_ERROR "The verifier needs pkg-config, libdw, jansson and libzstd "
                            "(tools/deps.sh). -DNVRTL_TOOLS=OFF builds the library alone.")
    endif()
endif()
