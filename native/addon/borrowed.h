// A typed array of the caller's whose memory native code uses beyond one call.
#pragma once
#include <napi.h>

namespace px {

class Borrowed {
 public:
  explicit Borrowed(Napi::TypedArray array) : Borrowed(array, data_of(array)) {}

  // False once its buffer was transferred to another thread, detached or shrunk: the memory is not ours to touch any more. A reference
  // keeps an array alive, but nothing in Node-API keeps its buffer where it is.
  bool intact() const {
    const Napi::TypedArray array = array_.Value().As<Napi::TypedArray>();
    return array.ByteLength() == bytes_ && data_of(array) == data_;
  }

 private:
  Borrowed(Napi::TypedArray array, const void* data)
      : array_(Napi::Persistent(array.As<Napi::Object>())), data_(data), bytes_(array.ByteLength()) {}

  static const void* data_of(Napi::TypedArray array) {
    void* data = nullptr;
    const napi_status status =
        napi_get_typedarray_info(array.Env(), array, nullptr, nullptr, &data, nullptr, nullptr);
    if (status != napi_ok) throw Napi::Error::New(array.Env());
    return data;
  }

  Napi::ObjectReference array_;
  const void* data_;
  size_t bytes_;
};

}  // namespace px
