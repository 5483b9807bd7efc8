// The state of one walk over the Plan.
#pragma once
#include <vector>

#include "../cpu/kernels.h"
#include "buffers.h"
#include "halo.h"
#include "plan.h"
#include "scratch.h"
#include "threads.h"
#include "value.h"

namespace px {

// The four networks. docs/architecture.md tells what each step kind does in them.
enum class Net { f, h, g, j };

// How samples lie in memory: [block][element][lane]. Lanes beyond the last sample repeat it in f, and are zero in h and j.
struct Grid {
  int samples = 1;
  int lanes = 1;  // 1, or the kernels'
  int blocks = 1;

  static Grid of(int samples, int lanes) {
    Grid g;
    g.samples = samples;
    g.lanes = samples <= 3 ? 1 : lanes;
    g.blocks = (samples + g.lanes - 1) / g.lanes;
    return g;
  }
  size_t floats(size_t elements) const { return elements * lanes * blocks; }
  // Real samples among the lanes of a block.
  int filled(int block) const { return std::min(lanes, samples - block * lanes); }
};

// One tensor per value, each dropped when its last reader has taken it.
class Tensors {
 public:
  void reset(const std::vector<int>& readers) {
    left_ = readers;
    values_.assign(readers.size(), Value());
  }
  void clear() { values_.clear(); }
  void put(uint32_t id, Value v) {
    if (left_[id] > 0) values_[id] = std::move(v);
  }
  // As it was put, perhaps with arithmetic left to do. The last reader gets the only handle, and may write in place.
  Value take_lazy(uint32_t id) { return --left_[id] == 0 ? std::move(values_[id]) : values_[id]; }
  const Value& peek(uint32_t id) const { return values_[id]; }
  bool read_again(uint32_t id) const { return left_[id] > 0; }

 private:
  std::vector<int> left_;
  std::vector<Value> values_;
};

// What every step may use.
struct Env {
  const Plan& plan;
  const Kernels& kernels;
  Threads& threads;
  BufferPool& pool;
  ScratchPool& scratch;
  const Halos& halos;
  bool batch_statistics;  // norm = batch

  // How a value's samples lie where they have gaps; a single sample has none.
  const Halo* halo(uint32_t id, Grid grid) const { return grid.lanes > 1 ? halos.of(id) : nullptr; }
};

// Floats of a tensor, gaps included.
inline size_t floats(Grid grid, size_t elements, const Halo* halo) {
  return grid.floats(halo ? halo->elements() : elements);
}

// A tensor to be filled. Its gaps hold anything, but for those before the first channel.
Value empty(Env& env, Grid grid, size_t elements, const Halo* halo);

// A pass of h, g or j: forward values, and upstream values on the way back. g carries two upstreams as columns.
struct Walk {
  Net net;
  Grid grid;
  Tensors values;
  int columns = 1;
  std::vector<Value> up[2];

  // A value with nothing left to do, and without gaps.
  Value take(Env& env, uint32_t id);
  // As steps want it that know about gaps: lying as `as` does, perhaps with arithmetic left to do.
  Value take_laid(Env& env, uint32_t id, uint32_t as);

  // Adds a contribution to the upstream of a value; contributions are non-negative, so nothing cancels.
  void add_up(Env& env, int column, uint32_t id, Value contribution);
  Value take_up_lazy(int column, uint32_t id) { return std::move(up[column][id]); }
  Value take_up(Env& env, int column, uint32_t id);
  Value take_up_laid(Env& env, int column, uint32_t id);
};

// A micro-batch: f, and beside it h or j.
struct DataPass {
  Grid grid;
  Tensors f;
  Walk companion;
  bool scoring = true;   // false: f alone
  bool adjoint = false;  // j will walk back: steps leave their records

  // f of a value with nothing left to do, and without gaps; and as Walk::take_laid.
  Value take(Env& env, uint32_t id);
  Value take_laid(Env& env, uint32_t id, uint32_t as);
};

// y = 2^k * x, elementwise over whole tensors: small helpers the steps share. Gaps stay as they are.
Value scaled_copy(Env& env, Grid grid, size_t elements, Value x, Scalar s);
Value aligned_sum(Env& env, Grid grid, size_t elements, Value a, Value b);

// Cuts n items into tasks of at least `grain`, by shape alone.
template <typename Fn>
void for_ranges(Threads& threads, size_t n, size_t grain, Fn fn) {
  const size_t tasks = (n + grain - 1) / grain;
  threads.run(tasks, [&](size_t t) { fn(t * grain, std::min(n, (t + 1) * grain), t); });
}

constexpr size_t kGrainFloats = size_t{1} << 15;

// A maximum gathered from tasks; the order of arrival does not matter.
class SharedMax {
 public:
  void add(float v) {
    float seen = max_.load(std::memory_order_relaxed);
    while (v > seen && !max_.compare_exchange_weak(seen, v, std::memory_order_relaxed)) {
    }
  }
  float get() const { return max_.load(); }

 private:
  std::atomic<float> max_{0.0f};
};

}  // namespace px
