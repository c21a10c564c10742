using System.Diagnostics;
using SafeAmqp.Testing;

namespace SafeAmqp.Benchmarks.Contenders;

/// <summary>
/// This program once more, in a process of its own, for what is not to be measured: the other end of calls, the
/// embedded broker.
/// </summary>
internal sealed class Companion : IAsyncDisposable
{
    /// <summary>The first of its arguments; the second is its role.</summary>
    internal const string Argument = "--companion";

    private readonly Process _process;

    private Companion(Process process) => _process = process;

    /// <summary>What it said when it was ready.</summary>
    internal string Answer { get; private set; } = "";

    /// <summary>Answers each request to a queue with its own body.</summary>
    internal static Task<Companion> ServeAsync(Uri broker, string queue, Server server)
        => StartAsync("serve", $"{broker} {queue} {server}");

    /// <summary>An embedded broker, whose URI is the answer.</summary>
    internal static Task<Companion> EmbeddedBrokerAsync() => StartAsync("broker", "");

    // The input is no argument, as others can see those: it may hold a password.
    private static async Task<Companion> StartAsync(string role, string input)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true
        };
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet")
            start.ArgumentList.Add(typeof(Companion).Assembly.Location);
        start.ArgumentList.Add(Argument);
        start.ArgumentList.Add(role);
        var companion = new Companion(Process.Start(start)!);
        await companion._process.StandardInput.WriteLineAsync(input);
        companion.Answer = await companion._process.StandardOutput.ReadLineAsync()
            ?? throw new InvalidOperationException($"The companion ({role}) did not start.");
        return companion;
    }

    /// <summary>What the other process does, until its input ends.</summary>
    internal static async Task RunAsync(string role)
    {
        string[] input = Console.ReadLine()!.Split(' ');
        if (role == "broker")
        {
            await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync();
            Console.WriteLine(broker.Uri);
            Console.ReadLine();
            return;
        }
        await using IAsyncDisposable server = await Servers.StartAsync(new Uri(input[0]), input[1],
            Enum.Parse<Server>(input[2]));
        Console.WriteLine("ready");
        Console.ReadLine();
    }

    public async ValueTask DisposeAsync()
    {
        _process.StandardInput.Close();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }
}
