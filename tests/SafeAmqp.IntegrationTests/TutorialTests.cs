using System.Collections.Concurrent;
using Tutorials;

namespace SafeAmqp.IntegrationTests;

// RabbitMQ's seven tutorials, as samples/Tutorials has them.
[Trait("Broker", "3.10")]
public sealed class TutorialTests(TestBroker broker) : FeatureTest(broker)
{
    private static readonly Dictionary<string, (Func<IAmqpClient, Action<string>, Task> Run, string[] Says)> All = new()
    {
        ["hello"] = (HelloWorld.RunAsync, ["Received Hello World!"]),
        ["task_queue"] = (WorkQueues.RunAsync, ["Worker * did First.", "Worker * did Fourth....",
            "Worker * did Second..", "Worker * did Third..."]),
        ["logs"] = (PublishSubscribe.RunAsync, ["Disk: info: Hello World!", "Screen: info: Hello World!"]),
        ["direct_logs"] = (Routing.RunAsync, ["Disk: error: Run. Run. Or it will explode.",
            "Screen: error: Run. Run. Or it will explode.", "Screen: info: Run. Run. Or it will explode."]),
        ["animals"] = (Topics.RunAsync, ["Orange: lazy.orange.elephant", "Orange: quick.orange.rabbit",
            "Rabbits and the lazy: lazy.brown.fox", "Rabbits and the lazy: lazy.orange.elephant",
            "Rabbits and the lazy: quick.orange.rabbit"]),
        ["rpc_queue"] = (RemoteCalls.RunAsync, ["fib(30) is 832040"]),
        ["confirms"] = (PublisherConfirms.RunAsync, ["All at once: confirmed", "In a batch: 1000 confirmed",
            "One by one: confirmed", "To no queue: returned"]),
    };

    public static TheoryData<string> Names => [.. All.Keys];

    [Theory, MemberData(nameof(Names))]
    public async Task Each_tutorial_does_what_it_says(string name)
    {
        Named(name);
        AmqpClient amqp = await ConnectAsync();
        var (run, says) = All[name];
        var said = new ConcurrentQueue<string>();

        await InTime(run(amqp, line => said.Enqueue(line.Replace("Worker one", "Worker *", StringComparison.Ordinal)
            .Replace("Worker two", "Worker *", StringComparison.Ordinal))));

        await UntilAsync(() => said.Count >= says.Length);
        Assert.Equal(says, said.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Each_tutorial_is_at_most_twenty_lines()
    {
        string folder = Path.Combine(AppContext.BaseDirectory, "TutorialSources");
        string[] files = [.. Directory.GetFiles(folder, "*.cs").Where(file => Path.GetFileName(file) != "Program.cs")];
        Assert.Equal(7, files.Length);
        Assert.All(files, file =>
        {
            string[] method = [.. File.ReadLines(file).SkipWhile(line => !line.Contains("RunAsync(",
                StringComparison.Ordinal)).Skip(2).TakeWhile(line => line != "    }")];
            Assert.InRange(method.Count(line => !string.IsNullOrWhiteSpace(line)), 3, 20);
        });
    }
}
