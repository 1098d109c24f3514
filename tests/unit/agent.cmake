pymem_unit(agent_life SOURCES agent_life.c LIBS agent_core)
