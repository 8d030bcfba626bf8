"""The mathematics of diffusion: noise levels, schedules, denoisers, solvers. Torch only."""
