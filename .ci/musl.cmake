# A build with musl, of pymem-load-static alone; .ci/musl_loader makes the libraries, and it.
set(PYMEM_MUSL "" CACHE PATH "folder of the libraries, made with musl")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES PYMEM_MUSL)
set(CMAKE_C_COMPILER ${PYMEM_MUSL}/bin/cc CACHE STRING "C compiler")
set(CMAKE_FIND_ROOT_PATH ${PYMEM_MUSL})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(ENV{PKG_CONFIG_LIBDIR} ${PYMEM_MUSL}/lib/pkgconfig)
