#include "common/job/nearest_word.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <numeric>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace paceline {
namespace {

// Longer words are not compared: nothing we know is that long.
constexpr size_t kWordMax = 64;

// Letters to insert, delete, replace or swap with their neighbour to make `a` of `b`.
size_t Distance(absl::string_view a, absl::string_view b) {
  // row[i][j] is the distance of a's first i letters and b's first j.
  std::vector<std::vector<size_t>> row(a.size() + 1, std::vector<size_t>(b.size() + 1));
  std::iota(row[0].begin(), row[0].end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    row[i][0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = row[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[i][j] = std::min({replaced, row[i - 1][j] + 1, row[i][j - 1] + 1});
      if (i < 2 || j < 2 || a[i - 1] != b[j - 2] || a[i - 2] != b[j - 1]) continue;
      row[i][j] = std::min(row[i][j], row[i - 2][j - 2] + 1);
    }
  }
  return row.back().back();
}

// What other programs and papers call it.
struct Synonym {
  const char* theirs;
  const char* ours;
};
constexpr std::array<Synonym, 13> kSynonyms = {{{"lr", "learning_rate"},
                                                {"eps", "epsilon"},
                                                {"mu", "momentum"},
                                                {"dense", "linear"},
                                                {"fc", "linear"},
                                                {"cross_entropy", "softmax_cross_entropy"},
                                                {"crossentropy", "softmax_cross_entropy"},
                                                {"bce", "sigmoid_cross_entropy"},
                                                {"mean_squared_error", "mse"},
                                                {"bsp", "sync"},
                                                {"asp", "async"},
                                                {"parameter_servers", "servers"},
                                                {"svmlight", "libsvm"}}};

// Ours for `word`, if it is among `words`; else empty.
std::string OursFor(absl::string_view word, const std::vector<std::string>& words) {
  for (const Synonym& synonym : kSynonyms) {
    if (word != synonym.theirs) continue;
    if (std::find(words.begin(), words.end(), synonym.ours) != words.end()) return synonym.ours;
  }
  return "";
}

}  // namespace

std::string NearestWord(absl::string_view typed, const std::vector<std::string>& words) {
  if (typed.size() > kWordMax) return "";
  const std::string word = absl::AsciiStrToLower(typed);
  std::string nearest = OursFor(word, words);
  if (!nearest.empty()) return nearest;
  size_t best = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : words) {
    const size_t distance = Distance(word, candidate);
    if (distance >= best) continue;
    best = distance;
    nearest = candidate;
  }
  return nearest;
}

std::string Suggest(absl::string_view word, const std::vector<std::string>& words) {
  const std::string nearest = NearestWord(word, words);
  if (!nearest.empty()) return absl::StrCat("did you mean '", nearest, "'?");
  return absl::StrCat("wanted one of ", absl::StrJoin(words, ", "));
}

}  // namespace paceline
