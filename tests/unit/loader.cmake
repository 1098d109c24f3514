# Units of pymem-load.
pymem_unit(loader_text SOURCES loader_text.c LIBS loader_core)
pymem_unit(loader_headroom SOURCES loader_headroom.c LIBS loader_core)
pymem_unit(loader_helper SOURCES loader_helper.c LIBS loader_core)
pymem_unit(loader_output SOURCES loader_output.c LIBS loader_core)
pymem_unit(loader_receive SOURCES loader_receive.c LIBS loader_core)
pymem_unit(loader_target SOURCES loader_target.c LIBS loader_core)
pymem_unit(loader_cpu SOURCES loader_cpu.c LIBS loader_core)
pymem_unit(loader_foreign SOURCES loader_foreign.c LIBS loader_core)
