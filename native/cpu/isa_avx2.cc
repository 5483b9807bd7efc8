// The kernels for AVX2 with FMA. The target is set by pragma, not by a build flag, so that both build systems need no per-file
// options; standard headers come first, so that none of their inline functions is compiled for a processor that lacks it.
#include <float.h>
#include <math.h>

#include "../bits.h"
#include "../prefetch.h"
#include "kernels.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif

#define PX_VEC_BYTES 32
#define PX_LANES 8
#define PX_CONV_POINTS 3
#define PX_ALONE_POINTS 6
#define PX_CONV_RUN 8
#define PX_GRAD_ENTRIES 2
#define PX_OUTER_SUMS 8
#define PX_GRAD_CHANNELS 2
#define PX_ISA_NAME "avx2"
namespace px {
namespace avx2 {
#include "vec.h"
//
#include "axis.cc"
#include "conv.cc"
#include "direct.cc"
#include "elementwise.cc"
#include "gate.cc"
#include "grad.cc"
#include "smooth.cc"
#include "subset.cc"
#include "table.h"
}  // namespace avx2
const Kernels* avx2_kernels() { return &avx2::kTable; }
}  // namespace px

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#else
namespace px {
const Kernels* avx2_kernels() { return nullptr; }
}  // namespace px
#endif
