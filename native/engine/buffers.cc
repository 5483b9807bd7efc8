#include "buffers.h"

#include <algorithm>
#include <atomic>
#include <new>

#include "arena.h"
#include "error.h"

namespace px {

struct BufferPool::State {
  Arena arena;
  std::atomic<size_t> held{0}, peak{0};  // read by other threads for reports
};

BufferPool::BufferPool() : state_(std::make_shared<State>()) {}

Buffer BufferPool::acquire(size_t floats) {
  State& s = *state_;
  const size_t bytes = floats * sizeof(float);
  void* block;
  try {
    block = s.arena.take(bytes);
  } catch (const std::bad_alloc&) {
    throw Error("ERR_MEMORY", "could not allocate " + std::to_string(bytes >> 20) +
                                  " MiB of working memory (" + std::to_string(s.arena.held() >> 20) +
                                  " MiB held); use a smaller --micro-batch or --size");
  }
  s.held = s.arena.held();
  s.peak = std::max<size_t>(s.peak, s.held);
  return Buffer(std::shared_ptr<float>(static_cast<float*>(block),
                                       [state = state_, bytes](float* p) { state->arena.give(p, bytes); }));
}

Buffer BufferPool::acquire_behind(size_t lead, size_t floats) {
  Buffer whole = acquire(lead + floats);
  std::fill_n(whole.get(), lead, 0.0f);
  return Buffer(std::move(whole), lead);
}

size_t BufferPool::current() const { return state_->held; }
size_t BufferPool::peak() const { return state_->peak; }

}  // namespace px
