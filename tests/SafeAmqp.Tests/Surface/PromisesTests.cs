using System.Text.RegularExpressions;

namespace SafeAmqp.Tests.Surface;

/// <summary>
/// Holds the table of tests/README.md against the tests: a promise whose test was renamed or removed shows here.
/// </summary>
public sealed partial class PromisesTests
{
    [Fact]
    public void Every_test_that_the_table_names_exists()
    {
        string[] rows = [.. File.ReadLines(Repository.Path("tests", "README.md"))
            .SkipWhile(line => line != "## Which test proves which promise")
            .Where(line => line.StartsWith("| ", StringComparison.Ordinal)
                && !line.EndsWith("| tests |", StringComparison.Ordinal))];
        Assert.True(rows.Length > 40, "The table is gone.");
        AssertTestsExist(rows);
    }

    [Fact]
    public void Every_fault_of_the_matrix_has_its_tests_and_they_exist()
    {
        string[] rows = [.. File.ReadLines(Repository.Path("tests", "FAULTS.md"))
            .Where(line => line.StartsWith("| ", StringComparison.Ordinal) && char.IsAsciiDigit(line[2]))];
        Assert.Equal(
            Enumerable.Range(1, 34),
            rows.Select(row => int.Parse(row.Split('|')[1], System.Globalization.CultureInfo.InvariantCulture)));
        AssertTestsExist(rows);
    }

    [Fact]
    public void Every_planted_bug_that_the_table_names_exists()
    {
        string mutants = string.Concat(Directory.EnumerateFiles(
            Repository.Path("tests", "SafeAmqp.Simulation", "Mutations"), "Mutants*.cs").Select(File.ReadAllText));
        string[] named = [.. File.ReadLines(Repository.Path("tests", "README.md"))
            .SkipWhile(line => !line.EndsWith("| planted bugs | tests |", StringComparison.Ordinal))
            .TakeWhile(line => line.StartsWith('|')).Skip(2)
            .SelectMany(row => row.Split('|')[2].Split('"').Where((_, i) => i % 2 == 1))];
        Assert.True(named.Length > 20, "The table is gone.");
        Assert.All(named, name => Assert.Contains($"\"{name}\"", mutants, StringComparison.Ordinal));
    }

    private static void AssertTestsExist(string[] rows)
    {
        var tests = Directory.EnumerateFiles(Repository.Path("tests"), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains(
                $"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal))
            .SelectMany(file => TestMethod().Matches(File.ReadAllText(file)).Select(match => match.Groups[1].Value))
            .ToHashSet();
        Assert.All(rows, row =>
        {
            string[] named = [.. Quoted().Matches(row.Split('|')[^2]).Select(match => match.Groups[1].Value)];
            Assert.True(named.Length > 0, $"No test in: {row}");
            Assert.All(named, name => Assert.True(tests.Contains(name), $"There is no test {name}"));
        });
    }

    [GeneratedRegex(
        @"\[(?:Fact|Theory)[^\]]*\](?:(?:\s|//[^\n]*)*\[[^\]]*(?:\[[^\]]*\][^\]]*)*\])*(?:\s|//[^\n]*)*"
            + @"public (?:async )?(?:Task|void|ValueTask) (\w+)\(",
        RegexOptions.Singleline)]
    private static partial Regex TestMethod();

    [GeneratedRegex("`([A-Za-z]\\w+)`")]
    private static partial Regex Quoted();
}
