#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <string>

#include "server/store/embedded.h"
#include "server/store/store_contract.h"

namespace paceline {

std::unique_ptr<Store> MakeSubject() {
  const char* base = std::getenv("TEST_TMPDIR");
  std::string folder = std::string(base != nullptr ? base : "/tmp") + "/store-XXXXXX";
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  auto store = EmbeddedStore::Open(folder + "/store.db");
  INFO(store.status());
  REQUIRE(store.ok());
  return *std::move(store);
}

}  // namespace paceline
