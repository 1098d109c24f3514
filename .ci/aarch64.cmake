# A build for aarch64 on another machine:
#
#	tests/arm64/sysroot FOLDER
#	PYMEM_SYSROOT=FOLDER cmake -S . -B build-arm64 -G Ninja --toolchain .ci/aarch64.cmake
#
# PYMEM_SYSROOT (in the environment, or -D): a folder with the libraries of an arm64
# system.  Without it: what `dpkg --add-architecture arm64` and packages named NAME:arm64
# put beside this machine's own.  With qemu-user-static programs run as well: ctest.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc CACHE STRING "C compiler")
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

set(PYMEM_SYSROOT "$ENV{PYMEM_SYSROOT}" CACHE PATH "folder of an arm64 system's libraries")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES PYMEM_SYSROOT)
if(PYMEM_SYSROOT)
	set(CMAKE_SYSROOT ${PYMEM_SYSROOT})
	set(CMAKE_FIND_ROOT_PATH ${PYMEM_SYSROOT})
	set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
	set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
	set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
	set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
	set(ENV{PKG_CONFIG_SYSROOT_DIR} ${PYMEM_SYSROOT})
endif()
set(ENV{PKG_CONFIG_LIBDIR}
	${PYMEM_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${PYMEM_SYSROOT}/usr/share/pkgconfig)

find_program(PYMEM_QEMU NAMES qemu-aarch64-static qemu-aarch64)
if(PYMEM_QEMU AND PYMEM_SYSROOT)
	set(CMAKE_CROSSCOMPILING_EMULATOR ${PYMEM_QEMU} -L ${PYMEM_SYSROOT})
elseif(PYMEM_QEMU)
	set(CMAKE_CROSSCOMPILING_EMULATOR ${PYMEM_QEMU})
endif()
