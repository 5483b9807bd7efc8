// The program's own threads. Work is a numbered list of tasks made from shapes alone; which thread runs which does not matter to the
// result. Neighbouring tasks go to one thread, and the same ones in each step, so that it finds in its caches what it left there.
#pragma once
#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace px {

class Threads {
 public:
  // Throws Error(ERR_BACKEND) where the system gives fewer.
  explicit Threads(int count);
  ~Threads();
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  int count() const { return static_cast<int>(workers_.size()) + 1; }

  // Runs task(0) .. task(n - 1), the calling thread taking part; returns when all are done. The first exception is rethrown
  // here. Throws Error(ERR_ABORTED) once `abort` has been called.
  void run(size_t n, const std::function<void(size_t)>& task);

  void abort() { aborted_.store(true, std::memory_order_relaxed); }
  void clear_abort() { aborted_.store(false, std::memory_order_relaxed); }
  bool aborted() const { return aborted_.load(std::memory_order_relaxed); }
  void check_abort() const;

 private:
  // Tasks [first, end) that a thread has before it, in one number. It takes the first; who has none left takes another's last.
  struct alignas(64) Share {
    std::atomic<uint64_t> tasks{0};
    void set(size_t first, size_t end) { tasks = first << 32 | end; }
    bool take(bool own, size_t* task);
  };

  void stop();
  void work(size_t thread);
  void drain(size_t thread);
  bool next(size_t thread, size_t* task);
  template <typename Done>
  void wait_awake(Done done) const;

  const bool own_processors_;
  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  const std::function<void(size_t)>* task_ = nullptr;
  std::unique_ptr<Share[]> shares_;  // one a thread
  std::atomic<size_t> busy_{0};
  std::atomic<uint64_t> generation_{0};
  std::atomic<bool> stop_{false};
  std::exception_ptr failure_;
  std::atomic<bool> aborted_{false};
};

}  // namespace px
