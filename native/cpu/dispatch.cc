// Chooses the kernels at run time: the best instruction set the processor has.
#include <string.h>

#include "kernels.h"

namespace px {

const Kernels* avx512_kernels();  // null where it cannot be compiled
const Kernels* avx2_kernels();    // likewise
const Kernels* base_kernels();

static bool has_avx512() {
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#else
  return false;
#endif
}

static bool has_avx2() {
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return false;
#endif
}

const Kernels& pick_kernels(const char* limit) {
  const bool base_only = limit && strcmp(limit, "base") == 0;
  const bool avx2_only = limit && strcmp(limit, "avx2") == 0;
  if (!base_only && !avx2_only && has_avx512() && avx512_kernels()) return *avx512_kernels();
  if (!base_only && has_avx2() && avx2_kernels()) return *avx2_kernels();
  return *base_kernels();
}

}  // namespace px
