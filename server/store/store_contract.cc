#include "server/store/store_contract.h"

#include <catch2/catch.hpp>
#include <string>

namespace paceline {
namespace {

CommitResult Commit(Store* store, const Transaction& transaction) {
  const auto result = store->Commit(transaction);
  INFO(result.status());
  REQUIRE(result.ok());
  return *result;
}

// The revision that a commit which has to succeed gives to what it writes.
uint64_t Write(Store* store, const Transaction& transaction) {
  const CommitResult result = Commit(store, transaction);
  REQUIRE(result.committed);
  return result.revision;
}

std::string Item(const std::string& key, const std::string& value, uint64_t revision) {
  return key + "=" + value + "@" + std::to_string(revision) + " ";
}

std::string Dump(Store* store, const std::string& prefix) {
  const auto range = store->Range(prefix);
  INFO(range.status());
  REQUIRE(range.ok());
  std::string text;
  for (const Entry& e : *range) text += Item(e.key, e.value, e.revision);
  return text;
}

TEST_CASE("a range is the entries of a prefix in key order with their revisions") {
  const auto store = MakeSubject();
  if (store == nullptr) return;

  const uint64_t one = Write(store.get(), {{}, {{"job/2", "b"}, {"job/1", "a"}}, {}});
  const uint64_t two = Write(store.get(), {{}, {{"jobs", "c"}, {"job/1", "d"}}, {}});

  CHECK(one >= 1);
  CHECK(two > one);
  CHECK(Dump(store.get(), "job/") == Item("job/1", "d", two) + Item("job/2", "b", one));
  CHECK(Dump(store.get(), "") ==
        Item("job/1", "d", two) + Item("job/2", "b", one) + Item("jobs", "c", two));
  CHECK(Dump(store.get(), "nothing").empty());
}

TEST_CASE("a range of many entries is whole and in order") {
  const auto store = MakeSubject();
  if (store == nullptr) return;
  Transaction transaction;
  for (int i = 0; i < 1000; ++i) {
    transaction.puts.push_back({"k" + std::to_string(1000 + i), std::to_string(i)});
  }
  Write(store.get(), transaction);

  const auto range = store->Range("k");

  REQUIRE(range.ok());
  REQUIRE(range->size() == 1000);
  for (int i = 0; i < 1000; ++i) {
    REQUIRE((*range)[i].key == "k" + std::to_string(1000 + i));
    REQUIRE((*range)[i].value == std::to_string(i));
  }
}

TEST_CASE("keys and values are any bytes") {
  const auto store = MakeSubject();
  if (store == nullptr) return;
  const std::string key("k\0\xff", 3);
  const std::string value("\0\xfe\0", 3);

  const uint64_t revision = Write(store.get(), {{}, {{key, value}, {"empty", ""}}, {}});

  const auto range = store->Range(std::string("k\0", 2));
  REQUIRE(range.ok());
  REQUIRE(range->size() == 1);
  CHECK((*range)[0].key == key);
  CHECK((*range)[0].value == value);
  CHECK(Dump(store.get(), "empty") == Item("empty", "", revision));
}

TEST_CASE("keys order as unsigned bytes") {
  const auto store = MakeSubject();
  if (store == nullptr) return;

  const uint64_t r = Write(store.get(), {{}, {{"\xc3", "2"}, {"z", "1"}, {"\xff\xff", "3"}}, {}});

  CHECK(Dump(store.get(), "") ==
        Item("z", "1", r) + Item("\xc3", "2", r) + Item("\xff\xff", "3", r));
  CHECK(Dump(store.get(), "\xff") == Item("\xff\xff", "3", r));
}

TEST_CASE("a compare that does not hold leaves everything as it was") {
  const auto store = MakeSubject();
  if (store == nullptr) return;
  const uint64_t r = Write(store.get(), {{}, {{"a", "1"}}, {}});

  const CommitResult wrong = Commit(store.get(), {{{"a", r + 6}}, {{"a", "2"}}, {{"b"}}});
  const CommitResult absent = Commit(store.get(), {{{"a", 0}}, {{"a", "2"}}, {}});
  const CommitResult second = Commit(store.get(), {{{"a", r}, {"b", r}}, {{"a", "2"}}, {}});

  CHECK_FALSE(wrong.committed);
  CHECK_FALSE(absent.committed);
  CHECK_FALSE(second.committed);
  CHECK(Dump(store.get(), "") == Item("a", "1", r));
}

TEST_CASE("compares that hold let the transaction through as a whole") {
  const auto store = MakeSubject();
  if (store == nullptr) return;
  const uint64_t one = Write(store.get(), {{{"a", 0}}, {{"a", "1"}, {"b", "1"}}, {}});

  const uint64_t two =
      Write(store.get(), {{{"a", one}, {"c", 0}}, {{"c", "3"}}, {{"a"}, {"never there"}}});

  CHECK(two > one);
  CHECK(Dump(store.get(), "") == Item("b", "1", one) + Item("c", "3", two));
}

TEST_CASE("a transaction that writes nothing only compares") {
  const auto store = MakeSubject();
  if (store == nullptr) return;
  const uint64_t r = Write(store.get(), {{}, {{"a", "1"}}, {}});

  const CommitResult holds = Commit(store.get(), {{{"a", r}}, {}, {}});
  const CommitResult fails = Commit(store.get(), {{{"a", 0}}, {}, {}});

  CHECK(holds.committed);
  CHECK_FALSE(fails.committed);
  CHECK(Dump(store.get(), "") == Item("a", "1", r));
}

TEST_CASE("a key that is deleted and put again has a new revision") {
  const auto store = MakeSubject();
  if (store == nullptr) return;
  const uint64_t one = Write(store.get(), {{}, {{"a", "1"}}, {}});
  Write(store.get(), {{}, {}, {{"a"}}});

  const uint64_t three = Write(store.get(), {{}, {{"a", "1"}}, {}});

  CHECK(three > one);
  CHECK_FALSE(Commit(store.get(), {{{"a", one}}, {{"a", "2"}}, {}}).committed);
  CHECK(Dump(store.get(), "") == Item("a", "1", three));
}

TEST_CASE("a value as large as allowed comes back, is replaced, and goes") {
  const auto store = MakeSubject();
  if (store == nullptr) return;
  std::string large(kMaxValueBytes, 'v');
  for (size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 31 / 7);
  const std::string other(large.rbegin(), large.rbegin() + (3 << 20));
  const auto is = [&](const std::string& value) {
    const auto range = store->Range("large");
    INFO(range.status());
    REQUIRE(range.ok());
    REQUIRE(range->size() == 1);
    return (*range)[0].value == value;
  };

  const uint64_t one = Write(store.get(), {{}, {{"large", large}, {"small", "s"}}, {}});
  CHECK(is(large));
  const uint64_t two = Write(store.get(), {{{"large", one}}, {{"large", other}}, {}});
  CHECK(is(other));
  CHECK_FALSE(Commit(store.get(), {{{"large", one}}, {{"large", large}}, {}}).committed);
  CHECK(is(other));
  Write(store.get(), {{{"large", two}}, {}, {{"large"}}});

  CHECK(Dump(store.get(), "") == Item("small", "s", one));
}

TEST_CASE("many large values in one transaction are written as a whole") {
  const auto store = MakeSubject();
  if (store == nullptr) return;
  Transaction transaction;
  for (int i = 0; i < 100; ++i) {
    transaction.puts.push_back({"k" + std::to_string(100 + i), std::string(60'000, 'a' + i % 26)});
  }

  const uint64_t r = Write(store.get(), transaction);

  const auto range = store->Range("");
  REQUIRE(range.ok());
  REQUIRE(range->size() == 100);
  for (int i = 0; i < 100; ++i) {
    REQUIRE((*range)[i].value == transaction.puts[i].value);
    REQUIRE((*range)[i].revision == r);
  }
}

TEST_CASE("thousands of entries go in one transaction") {
  const auto store = MakeSubject();
  if (store == nullptr) return;
  Transaction puts;
  Transaction deletes;
  for (int i = 0; i < 5000; ++i) {
    puts.puts.push_back({"evaluation/" + std::to_string(i), "x"});
    deletes.deletes.push_back({"evaluation/" + std::to_string(i)});
  }

  Write(store.get(), puts);
  CHECK(store->Range("evaluation/")->size() == 5000);
  Write(store.get(), deletes);

  CHECK(Dump(store.get(), "").empty());
}

TEST_CASE("keys and values out of bounds are refused and nothing is written") {
  const auto store = MakeSubject();
  if (store == nullptr) return;
  const Transaction wrong[] = {
      {{}, {{"fine", "x"}, {"", "x"}}, {}},
      {{}, {{"fine", "x"}, {std::string(kMaxKeyBytes + 1, 'k'), "x"}}, {}},
      {{}, {{"fine", "x"}, {"large", std::string(kMaxValueBytes + 1, 'v')}}, {}},
      {{}, {{"twice", "x"}, {"twice", "y"}}, {}},
      {{}, {{"both", "x"}}, {{"both"}}},
      {{{"", 0}}, {{"fine", "x"}}, {}},
  };

  for (const Transaction& transaction : wrong) {
    CHECK(store->Commit(transaction).status().code() == absl::StatusCode::kInvalidArgument);
  }

  CHECK(Dump(store.get(), "").empty());
}

}  // namespace
}  // namespace paceline
