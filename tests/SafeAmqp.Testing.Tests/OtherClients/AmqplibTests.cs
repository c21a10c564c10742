using System.Text.RegularExpressions;

namespace SafeAmqp.Testing.Tests.OtherClients;

/// <summary>npm's amqplib: the same program against both brokers, noting the same.</summary>
public sealed partial class AmqplibTests(BrokerPairs brokers, AmqplibTests.Runs runs) : IClassFixture<AmqplibTests.Runs>
{
    private static string Folder
        => Repository.Path("tests", "SafeAmqp.Testing.Tests", "OtherClients", "amqplib");

    public static TheoryData<string> Names => [
        .. CaseName().Matches(File.ReadAllText(Path.Combine(Folder, "cases.js")))
            .Select(match => match.Groups[1].Value),
        "a channel is closed over"];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Observes_the_same_on_both(string name)
    {
        Repository.NodeFolder(Folder);
        string[] expected = [.. (await runs.OnRabbitMqAsync(brokers)).Where(Is)],
            observed = [.. (await runs.OnEmbeddedAsync(brokers)).Where(Is)];
        Assert.NotEmpty(expected);
        Assert.True(
            expected.SequenceEqual(observed),
            $"RabbitMQ:\n{string.Join('\n', expected)}\nEmbedded:\n{string.Join('\n', observed)}");

        bool Is(string line) => line.StartsWith(name, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_case_came_to_its_end()
    {
        Repository.NodeFolder(Folder);
        IReadOnlyList<string> observed = await runs.OnEmbeddedAsync(brokers);
        int cases = int.Parse(
            observed[^1].Split('\t') is ["end", var count] ? count : "0",
            System.Globalization.CultureInfo.InvariantCulture);
        Assert.Equal(cases, observed.SkipLast(1).Select(line => line.Split('\t')[0]).Distinct().Count());
        Assert.True(cases >= 15, $"{cases} cases");
    }

    private static async Task<IReadOnlyList<string>> RunAsync(Uri uri)
    {
        string output = await Programs.PrintAsync("node", [Path.Combine(Folder, "cases.js"), OtherUris.For(uri)]);
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    [GeneratedRegex(@"^cases\['([^']+)'\]", RegexOptions.Multiline)]
    private static partial Regex CaseName();

    /// <summary>One run for each broker; the tests look at parts of it.</summary>
    public sealed class Runs
    {
        private Task<IReadOnlyList<string>>? _rabbitMq;
        private Task<IReadOnlyList<string>>? _embedded;

        internal Task<IReadOnlyList<string>> OnRabbitMqAsync(BrokerPairs brokers) =>
            _rabbitMq ??= RunAsync(brokers.Newest.RabbitMq);

        internal Task<IReadOnlyList<string>> OnEmbeddedAsync(BrokerPairs brokers) =>
            _embedded ??= RunAsync(brokers.Embedded.Uri);
    }
}
