using System.Net;
using ChildPrograms;
using LocalBroker;

namespace RecipeDemo;

/// <summary>The web service and its two workers, each a process of its own, on one broker.</summary>
internal sealed class RunningSystem : IAsyncDisposable
{
    private const string Listening = "Now listening on: ";
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(100);

    private readonly List<ChildProgram> _programs;

    private RunningSystem(List<ChildProgram> programs, HttpClient http) => (_programs, Http) = (programs, http);

    public HttpClient Http { get; }

    /// <summary>Starts all three and waits until the service is ready.</summary>
    /// <exception cref="ProgramException">One of them ended.</exception>
    public static async Task<RunningSystem> StartAsync(ChosenBroker broker, CancellationToken cancellationToken)
    {
        var settings = Settings(broker);
        List<ChildProgram> programs =
        [
            ChildProgram.Start("web service", "RecipeService", [], settings),
            ChildProgram.Start("analysis worker", "RecipeWorkers", ["ai"], settings),
            ChildProgram.Start("crawler", "RecipeWorkers", ["crawler"], settings),
        ];
        try
        {
            string line = await programs[0].LineAsync(Listening, cancellationToken);
            string address = line[(line.IndexOf(Listening, StringComparison.Ordinal) + Listening.Length)..].Trim();
            var system = new RunningSystem(
                programs, new HttpClient { BaseAddress = new Uri(address), Timeout = Timeout.InfiniteTimeSpan });
            await Task.WhenAll(
                programs.Skip(1).Select(worker => worker.LineAsync("Application started", cancellationToken)));
            await system.UntilReadyAsync(cancellationToken);
            return system;
        }
        catch
        {
            await EndAsync(programs);
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await EndAsync(_programs);
    }

    private static Dictionary<string, string> Settings(ChosenBroker broker)
    {
        // On a broker that others use, too, queues of our own, which the broker removes when they have not been used
        // for a minute.
        string prefix = broker.IsOwned ? "" : $"recipe-demo-{Environment.ProcessId}.";
        return new Dictionary<string, string>
        {
            ["RABBITMQ_URL"] = broker.Uri.ToString(),
            ["RABBITMQ_CRAWLING_REQUEST_QUEUE"] = prefix + "crawling_request_queue",
            ["RABBITMQ_CRAWLING_RESPONSE_QUEUE"] = prefix + "crawling_response_queue",
            ["AI_QUEUE_NAME"] = prefix + "recipe_analysis_request",
            ["QUEUE_EXPIRES_SECONDS"] = "60",
            ["CRAWL_PAUSE_MILLISECONDS"] = "0", // the pages are our own
            ["ASPNETCORE_URLS"] = "http://127.0.0.1:0",
            ["DOTNET_gcServer"] = "0", // three processes share the machine
        };
    }

    private async Task UntilReadyAsync(CancellationToken cancellationToken)
    {
        for (; ; )
        {
            using var response = await Http.GetAsync("/health/ready", cancellationToken);
            if (response.StatusCode == HttpStatusCode.OK)
                return;
            await Task.Delay(LookEvery, cancellationToken);
        }
    }

    private static Task EndAsync(List<ChildProgram> programs)
        => Task.WhenAll(programs.Select(program => program.DisposeAsync().AsTask()));
}
