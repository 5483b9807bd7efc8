// What the engine throws. Codes are those of src/errors.ts; the addon turns them into rejections.
#pragma once
#include <stdexcept>
#include <string>

namespace px {

class Error : public std::runtime_error {
 public:
  Error(const char* code, const std::string& message) : std::runtime_error(message), code_(code) {}
  const char* code() const { return code_; }

 private:
  const char* code_;  // a string literal
};

}  // namespace px
