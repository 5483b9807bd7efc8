// The inner product of d with what surviving weights of 1 make of x, for one sample:
//
//   sum over rows r, vectors v: d[r][v] . (sum over entries e that row r's mask has: x[v + off[e]])
//
// By the method of four Russians: the sums of all subsets of four entries are tabulated once, and four bits of a row's mask choose one.
// No list is made of the mask, no branch depends on it, and the cost does not depend on density.

static constexpr int kSubsetEntries = 4, kSubsets = 1 << kSubsetEntries;

// Of n entries, no more than four: sums[s] is that of the subset s.
template <int V>
static inline void subset_sums(const float* x, const int32_t* off, int n, float (*sums)[V * kVecFloats]) {
  for (int v = 0; v < V; ++v) vec_store(sums[0] + v * kVecFloats, vec_zero());
  for (int e = 0; e < kSubsetEntries; ++e) {
    const int count = 1 << e;
    for (int v = 0; v < V; ++v) {
      const vec more = e < n ? vec_load(x + off[e] + v * kVecFloats) : vec_zero();
      for (int s = 0; s < count; ++s)
        vec_store(sums[count + s] + v * kVecFloats, vec_load(sums[s] + v * kVecFloats) + more);
    }
  }
}

template <int V>
static float subset_total_of(const SubsetArgs* a) {
  constexpr int kTables = kSubsetWeights / kSubsetEntries;
  alignas(64) float sums[kTables][kSubsets][V * kVecFloats];
  for (int t = 0; t < kTables; ++t) {
    const int left = a->entries - t * kSubsetEntries;
    subset_sums<V>(a->x, a->off + t * kSubsetEntries, left < 0 ? 0 : left, sums[t]);
  }
  vec total[V];
  for (int v = 0; v < V; ++v) total[v] = vec_zero();
  for (size_t r = 0; r < a->rows; ++r) {
    const uint64_t word = mask_span(a->mask, a->first + r * a->step, a->entries);
    const float* const d = a->d + r * a->d_step;
    const float* chosen[kTables];
    for (int t = 0; t < kTables; ++t) chosen[t] = sums[t][word >> t * kSubsetEntries & (kSubsets - 1)];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const int at = v * kVecFloats;
      const vec all = (vec_load(chosen[0] + at) + vec_load(chosen[1] + at)) +
                      (vec_load(chosen[2] + at) + vec_load(chosen[3] + at));
      total[v] = vec_multiply_add(vec_load(d + at), all, total[v]);
    }
  }
  for (int v = 1; v < V; ++v) total[0] = total[0] + total[v];
  return vec_sum(total[0]);
}

static float subset_total(const SubsetArgs* a) {
  switch (a->vectors) {
    case 1:
      return subset_total_of<1>(a);
    case 2:
      return subset_total_of<2>(a);
    case 3:
      return subset_total_of<3>(a);
    default:
      return subset_total_of<4>(a);
  }
}
