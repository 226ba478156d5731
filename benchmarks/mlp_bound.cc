// Gradient steps of two networks of two layers of 64 tanh units, written by hand: a bound for what
// `update_parts.py` measures of XLA. Loss: the mean square of the last units of both networks.

#include <cmath>
#include <cstring>

#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

constexpr int kBatch = 128, kObs = 4, kWidth = 64, kNetworks = 2;
typedef float Vector __attribute__((vector_size(64)));  // 16 numbers; g++ splits it where it must
constexpr int kLanes = 16, kVectors = kWidth / kLanes;

static inline Vector Load(const float* p) {
  Vector v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}

// out[row][0..63] = sum_k left(row, k) * right[k][0..63], for rows 0 .. rows - 1, six at a time.
template <int kRows, typename Left>
static inline void Tile(int row, int inner, Left left, const float* right, float* out) {
  Vector sums[kRows][kVectors] = {};
  for (int k = 0; k < inner; ++k) {
    for (int r = 0; r < kRows; ++r) {
      const float scale = left(row + r, k);
      for (int v = 0; v < kVectors; ++v) sums[r][v] += scale * Load(right + k * kWidth + v * kLanes);
    }
  }
  for (int r = 0; r < kRows; ++r) std::memcpy(out + (row + r) * kWidth, sums[r], sizeof(sums[r]));
}

template <typename Left>
static void Product(int rows, int inner, Left left, const float* right, float* out) {
  int row = 0;
  for (; row + 6 <= rows; row += 6) Tile<6>(row, inner, left, right, out);
  for (; row < rows; ++row) Tile<1>(row, inner, left, right, out);
}

// tanh as a ratio of polynomials, as in Eigen and XLA.
static inline float Tanh(float x) {
  x = x < -7.9f ? -7.9f : (x > 7.9f ? 7.9f : x);
  const float y = x * x;
  float p = -2.76076847742355e-16f;
  for (float c : {2.00018790482477e-13f, -8.60467152213735e-11f, 5.12229709037114e-08f,
                  1.48572235717979e-05f, 6.37261928875436e-04f, 4.89352455891786e-03f}) p = p * y + c;
  float q = 1.19825839466702e-06f;
  for (float c : {1.18534705686654e-04f, 2.26843463243900e-03f, 4.89352518554385e-03f}) q = q * y + c;
  return x * p / q;
}

static void Activate(const float* bias, float* units) {
  for (int b = 0; b < kBatch; ++b)
    for (int i = 0; i < kWidth; ++i) units[b * kWidth + i] = Tanh(units[b * kWidth + i] + bias[i]);
}

static void Descend(float* params, const float* gradient, int size) {
  for (int i = 0; i < size; ++i) params[i] -= 0.1f * gradient[i];
}

static void Step(float* first, float* bias, float* second, float* second_bias, const float* obs) {
  alignas(64) static thread_local float one[kBatch * kWidth], two[kBatch * kWidth];
  alignas(64) static thread_local float back[kBatch * kWidth], turned[kWidth * kWidth];
  alignas(64) static thread_local float weights[kWidth * kWidth], sums[2 * kWidth];
  Product(kBatch, kObs, [=](int b, int k) { return obs[b * kObs + k]; }, first, one);
  Activate(bias, one);
  Product(kBatch, kWidth, [](int b, int k) { return one[b * kWidth + k]; }, second, two);
  Activate(second_bias, two);
  std::memset(sums, 0, sizeof(sums));
  for (int b = 0; b < kBatch; ++b)
    for (int i = 0; i < kWidth; ++i) {
      float& unit = two[b * kWidth + i];
      unit = 2.0f / (kNetworks * kBatch * kWidth) * unit * (1.0f - unit * unit);
      sums[i] += unit;
    }
  for (int i = 0; i < kWidth; ++i)
    for (int j = 0; j < kWidth; ++j) turned[j * kWidth + i] = second[i * kWidth + j];
  Product(kBatch, kWidth, [](int b, int k) { return two[b * kWidth + k]; }, turned, back);
  Product(kWidth, kBatch, [](int i, int b) { return one[b * kWidth + i]; }, two, weights);
  for (int b = 0; b < kBatch; ++b)
    for (int i = 0; i < kWidth; ++i) {
      const float unit = one[b * kWidth + i];
      back[b * kWidth + i] *= 1.0f - unit * unit;
      sums[kWidth + i] += back[b * kWidth + i];
    }
  Descend(second, weights, kWidth * kWidth);
  Descend(second_bias, sums, kWidth);
  Product(kObs, kBatch, [=](int i, int b) { return obs[b * kObs + i]; }, back, weights);
  Descend(first, weights, kObs * kWidth);
  Descend(bias, sums + kWidth, kWidth);
}

using In = ffi::Buffer<ffi::F32>;
using Out = ffi::ResultBuffer<ffi::F32>;

static ffi::Error Steps(In first, In bias, In second, In second_bias, In obs, Out first_out,
                        Out bias_out, Out second_out, Out second_bias_out) {
  const In in[] = {first, bias, second, second_bias};
  float* out[] = {first_out->typed_data(), bias_out->typed_data(), second_out->typed_data(),
                  second_bias_out->typed_data()};
  for (int i = 0; i < 4; ++i) std::memcpy(out[i], in[i].typed_data(), in[i].size_bytes());
  for (int step = 0; step < obs.dimensions()[0]; ++step)
    for (int n = 0; n < kNetworks; ++n)
      Step(out[0] + n * kObs * kWidth, out[1] + n * kWidth, out[2] + n * kWidth * kWidth,
           out[3] + n * kWidth, obs.typed_data() + step * kBatch * kObs);
  return ffi::Error::Success();
}

XLA_FFI_DEFINE_HANDLER_SYMBOL(Gradients, Steps,
                              ffi::Ffi::Bind().Arg<In>().Arg<In>().Arg<In>().Arg<In>().Arg<In>()
                                  .Ret<ffi::Buffer<ffi::F32>>().Ret<ffi::Buffer<ffi::F32>>()
                                  .Ret<ffi::Buffer<ffi::F32>>().Ret<ffi::Buffer<ffi::F32>>());
