// Working memory: buffers that go back to a pool when their last holder lets go, and are used again by later layers and rounds.
#pragma once
#include <stddef.h>

#include <memory>
#include <vector>

namespace px {

// A shared handle on 64-byte-aligned floats. Held by one thread (the one that walks the Plan); kernels borrow the pointer.
class Buffer {
 public:
  Buffer() = default;
  float* get() const { return data_.get(); }
  explicit operator bool() const { return static_cast<bool>(data_); }
  // True when nobody else holds it, so that it may be written in place.
  bool unshared() const { return holders() == 1; }
  long holders() const { return data_.use_count(); }
  void reset() { data_.reset(); }

 private:
  friend class BufferPool;
  explicit Buffer(std::shared_ptr<float> data) : data_(std::move(data)) {}
  // The same memory from its `first` float on.
  Buffer(Buffer whole, size_t first) : data_(whole.data_, whole.data_.get() + first) {}
  std::shared_ptr<float> data_;
};

class BufferPool {
 public:
  BufferPool();
  // Uninitialised. Throws Error(ERR_MEMORY) naming the size when the system has none.
  Buffer acquire(size_t floats);
  // With `lead` zeros before them, a whole number of cache lines.
  Buffer acquire_behind(size_t lead, size_t floats);
  Buffer acquire_bytes(size_t bytes) { return acquire((bytes + 3) / 4); }
  // Bytes held from the system, in use or waiting; and the most there ever were.
  size_t current() const;
  size_t peak() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  // outlives the pool while buffers do
};

}  // namespace px
