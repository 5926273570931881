// Folders and programs for tests to find on their way.
#ifndef PACELINE_CLI_TEST_FILES_H_
#define PACELINE_CLI_TEST_FILES_H_

#include <filesystem>
#include <string>

namespace paceline::cli {

// A new, empty folder of this name, the test's own.
std::filesystem::path Folder(const std::string& name);

// An executable shell script.
void MakeProgram(const std::filesystem::path& path, const std::string& script);

}  // namespace paceline::cli

#endif  // PACELINE_CLI_TEST_FILES_H_
