// What every Store promises, asked of each implementation.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>

#include <catch2/catch.hpp>

#include "server/store/embedded.h"
#include "server/store/memory.h"
#include "server/store/store.h"

namespace paceline {
namespace {

struct Subject {
  std::string name;
  std::unique_ptr<Store> store;
};

std::string FreshFolder() {
  const char* base = std::getenv("TEST_TMPDIR");
  std::string folder = std::string(base != nullptr ? base : "/tmp") + "/store-XXXXXX";
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  return folder;
}

Subject Make(const std::string& name) {
  if (name == "memory") return {name, std::make_unique<MemoryStore>()};
  auto store = EmbeddedStore::Open(FreshFolder() + "/store.db");
  REQUIRE(store.ok());
  return {name, *std::move(store)};
}

CommitResult Commit(Store* store, const Transaction& transaction) {
  const auto result = store->Commit(transaction);
  INFO(result.status());
  REQUIRE(result.ok());
  return *result;
}

std::string Dump(Store* store, const std::string& prefix) {
  const auto range = store->Range(prefix);
  REQUIRE(range.ok());
  std::string text;
  for (const Entry& e : *range) {
    text += e.key + "=" + e.value + "@" + std::to_string(e.revision) + " ";
  }
  return text;
}

TEST_CASE("a range is the entries of a prefix in key order with their revisions") {
  Subject s = Make(GENERATE("memory", "embedded"));
  INFO(s.name);

  CHECK(Commit(s.store.get(), {{}, {{"job/2", "b"}, {"job/1", "a"}}, {}}).revision == 1);
  CHECK(Commit(s.store.get(), {{}, {{"jobs", "c"}, {"job/1", "d"}}, {}}).revision == 2);

  CHECK(Dump(s.store.get(), "job/") == "job/1=d@2 job/2=b@1 ");
  CHECK(Dump(s.store.get(), "") == "job/1=d@2 job/2=b@1 jobs=c@2 ");
  CHECK(Dump(s.store.get(), "nothing").empty());
}

TEST_CASE("keys and values are any bytes") {
  Subject s = Make(GENERATE("memory", "embedded"));
  INFO(s.name);
  const std::string key("k\0\xff", 3);
  const std::string value("\0\xfe\0", 3);

  Commit(s.store.get(), {{}, {{key, value}, {"empty", ""}}, {}});

  const auto range = s.store->Range(std::string("k\0", 2));
  REQUIRE(range.ok());
  REQUIRE(range->size() == 1);
  CHECK((*range)[0].key == key);
  CHECK((*range)[0].value == value);
  CHECK(Dump(s.store.get(), "empty") == "empty=@1 ");
}

TEST_CASE("keys order as unsigned bytes") {
  Subject s = Make(GENERATE("memory", "embedded"));
  INFO(s.name);

  Commit(s.store.get(), {{}, {{"\xc3", "2"}, {"z", "1"}}, {}});

  CHECK(Dump(s.store.get(), "") == "z=1@1 \xc3=2@1 ");
}

TEST_CASE("a compare that does not hold leaves everything as it was") {
  Subject s = Make(GENERATE("memory", "embedded"));
  INFO(s.name);
  Commit(s.store.get(), {{}, {{"a", "1"}}, {}});

  const CommitResult wrong = Commit(s.store.get(), {{{"a", 7}}, {{"a", "2"}}, {{"b"}}});
  const CommitResult absent = Commit(s.store.get(), {{{"a", 0}}, {{"a", "2"}}, {}});
  const CommitResult second =
      Commit(s.store.get(), {{{"a", 1}, {"b", 3}}, {{"a", "2"}}, {}});

  CHECK_FALSE(wrong.committed);
  CHECK_FALSE(absent.committed);
  CHECK_FALSE(second.committed);
  CHECK(second.revision == 1);
  CHECK(Dump(s.store.get(), "") == "a=1@1 ");
}

TEST_CASE("compares that hold let the transaction through as a whole") {
  Subject s = Make(GENERATE("memory", "embedded"));
  INFO(s.name);
  Commit(s.store.get(), {{{"a", 0}}, {{"a", "1"}, {"b", "1"}}, {}});

  const CommitResult result =
      Commit(s.store.get(), {{{"a", 1}, {"c", 0}}, {{"c", "3"}}, {{"a"}, {"never there"}}});

  CHECK(result.committed);
  CHECK(result.revision == 2);
  CHECK(Dump(s.store.get(), "") == "b=1@1 c=3@2 ");
}

TEST_CASE("a transaction that writes nothing keeps the revision") {
  Subject s = Make(GENERATE("memory", "embedded"));
  INFO(s.name);
  Commit(s.store.get(), {{}, {{"a", "1"}}, {}});

  const CommitResult result = Commit(s.store.get(), {{{"a", 1}}, {}, {}});

  CHECK(result.committed);
  CHECK(result.revision == 1);
}

TEST_CASE("a key that is deleted and put again has a new revision") {
  Subject s = Make(GENERATE("memory", "embedded"));
  INFO(s.name);
  Commit(s.store.get(), {{}, {{"a", "1"}}, {}});
  Commit(s.store.get(), {{}, {}, {{"a"}}});

  Commit(s.store.get(), {{}, {{"a", "1"}}, {}});

  CHECK(Dump(s.store.get(), "") == "a=1@3 ");
}

TEST_CASE("keys and values out of bounds are refused and nothing is written") {
  Subject s = Make(GENERATE("memory", "embedded"));
  INFO(s.name);
  const Transaction wrong[] = {
      {{}, {{"fine", "x"}, {"", "x"}}, {}},
      {{}, {{"fine", "x"}, {std::string(kMaxKeyBytes + 1, 'k'), "x"}}, {}},
      {{}, {{"fine", "x"}, {"large", std::string(kMaxValueBytes + 1, 'v')}}, {}},
      {{}, {{"twice", "x"}, {"twice", "y"}}, {}},
      {{}, {{"both", "x"}}, {{"both"}}},
      {{{"", 0}}, {{"fine", "x"}}, {}},
  };

  for (const Transaction& transaction : wrong) {
    CHECK(s.store->Commit(transaction).status().code() == absl::StatusCode::kInvalidArgument);
  }

  CHECK(Dump(s.store.get(), "").empty());
}

}  // namespace
}  // namespace paceline
