namespace SafeAmqp.Tests.Surface;

public sealed class ReadmeTests
{
    private readonly string _readme = File.ReadAllText(Repository.Path("README.md"));

    [Fact]
    public void The_first_program_of_the_readme_is_the_one_that_is_compiled()
    {
        string program = _readme.Split("```csharp\n", 2)[1].Split("```", 2)[0];
        Assert.Equal(File.ReadAllText(Repository.Path("samples", "Hello", "Program.cs")), program);
        Assert.InRange(program.Split('\n').Count(line => line.Trim().Length > 0), 1, 15);
    }

    [Fact]
    public void Every_path_that_the_readme_names_exists()
    {
        string[] named = [
            .. System.Text.RegularExpressions.Regex.Matches(_readme, @"(?:src|tests|samples|benchmarks)/[\w./]*\w")
                .Select(match => match.Value)];
        Assert.NotEmpty(named);
        Assert.All(named, path => Assert.True(Path.Exists(Repository.Path(path)), $"{path} does not exist"));
    }
}
