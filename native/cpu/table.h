// Gathers one instruction set's functions into a Kernels table. Included last in its namespace.
static const Kernels kTable = {
    PX_ISA_NAME, PX_LANES, PX_CONV_POINTS, PX_RUN_POINTS, conv,      conv_runs, grad,
    outer,       leaky,    leaky_adjoint,  smooth,        scale_all, axpby,     mul_square,
    mul,         affine,   moments,        axis,          axis_max,  largest,
};
