using System.Text;

namespace SafeAmqp.Testing.Tests;

public sealed class ReadmeTests
{
    // The program is an example to read and needs no token.
#pragma warning disable xUnit1051
    [Fact]
    public async Task A_consumer_survives_a_lost_connection()
    {
        // readme
        await using var broker = await AmqpTestBroker.StartAsync();
        using var script = broker.Script(FaultTrigger.Deliver().Nth(2), FaultAction.Reset());

        await using var consumer = await YourConsumer.StartAsync(broker.Uri, "orders");
        for (int i = 1; i <= 5; i++)
            await PublishAsync(broker.Uri, "orders", $"order {i}");

        await script.HappenedAsync();
        await broker.WaitUntilAsync(view => view.ReadyCount("orders") == 0 && view.UnacknowledgedCount("orders") == 0);
        Assert.Equal(5, consumer.Handled.Distinct().Count());
        // end
    }
#pragma warning restore xUnit1051

    [Fact]
    public void The_program_of_the_readme_is_the_one_above()
    {
        string readme = File.ReadAllText(Path.Combine(Repository.Root, "src", "SafeAmqp.Testing", "README.md"));
        string program = readme.Split("```csharp\n", 2)[1].Split("```", 2)[0];
        string source = File.ReadAllText(
            Path.Combine(Repository.Root, "tests", "SafeAmqp.Testing.Tests", "ReadmeTests.cs"));
        string compiled = source.Split("        // readme\n", 2)[1].Split("        // end", 2)[0];
        Assert.Equal(program, compiled.Replace("\n        ", "\n", StringComparison.Ordinal).TrimStart());
    }

    private static async Task PublishAsync(Uri uri, string queue, string body)
    {
        await using IConnection connection = await new ConnectionFactory { Uri = uri }.CreateConnectionAsync();
        await using IChannel channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true));
        await channel.BasicPublishAsync("", queue, Encoding.UTF8.GetBytes(body));
    }
}
