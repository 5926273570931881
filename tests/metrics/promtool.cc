#include "tests/metrics/promtool.h"

#include <catch2/catch.hpp>
#include <cstdlib>

namespace paceline {

bool HasPromtool() {
  if (std::system("promtool --version >/dev/null 2>&1") == 0) return true;
  WARN("SKIPPED: promtool is not installed; tests/install_promtool.sh installs it");
  return false;
}

}  // namespace paceline
