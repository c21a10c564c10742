using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json;
using FederatedLearning.Results;
using FederatedLearning.Server.Results;
using FederatedLearning.Status;

namespace FederatedLearning.Server.Web;

/// <summary>What the page asks for.</summary>
internal static class Endpoints
{
    // The connections change without the training: looked at once a second.
    private static readonly TimeSpan AtLeastEvery = TimeSpan.FromSeconds(1);

    // A training of many small rounds changes faster than eyes.
    private static readonly TimeSpan AtMostEvery = TimeSpan.FromMilliseconds(100);

    public static void MapPage(this IEndpointRouteBuilder app)
    {
        app.MapGet(
            "/api/training", (Reporter reporter) => Json(reporter.Now(), ServerJsonContext.Default.TrainingReport));
        app.MapGet("/api/events", (Reporter reporter, IHostApplicationLifetime life, CancellationToken aborted)
            => TypedResults.ServerSentEvents(reporter.EventsAsync(life.ApplicationStopping, aborted)));
        app.MapGet("/results.json", (IFederationStatus training) =>
            Json(ResultReport.Of(training.Snapshot), ServerJsonContext.Default.ResultReport));
        app.MapGet("/results.svg", (IFederationStatus training) =>
            Microsoft.AspNetCore.Http.Results.Text(Plot(training.Snapshot), "image/svg+xml"));
    }

    private static string Plot(FederationSnapshot training) => ResultPlot.ToSvg(training.Rounds, training.Handlers);

    private static IResult Json<T>(T value, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
        => Microsoft.AspNetCore.Http.Results.Json(value, type);

    /// <summary>Puts the training's state and that of the connections together.</summary>
    internal sealed class Reporter(IFederationStatus training, ChosenProtocols protocols, TimeProvider time)
    {
        public TrainingReport Now() => Of(training.Snapshot);

        /// <summary>The state now and after each change.</summary>
        public async IAsyncEnumerable<SseItem<string>> EventsAsync(
            CancellationToken stopping, [EnumeratorCancellation] CancellationToken aborted)
        {
            using var end = CancellationTokenSource.CreateLinkedTokenSource(stopping, aborted);
            for (var snapshot = training.Snapshot; !end.IsCancellationRequested; snapshot = await NextAsync(
                snapshot, end.Token))
                yield return new SseItem<string>(
                    JsonSerializer.Serialize(Of(snapshot), ServerJsonContext.Default.TrainingReport));
        }

        private async ValueTask<FederationSnapshot> NextAsync(FederationSnapshot seen, CancellationToken end)
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(end);
            limit.CancelAfter(AtLeastEvery);
            try
            {
                await Task.Delay(AtMostEvery, time, end);
                return await training.ChangedAsync(seen.Version, limit.Token);
            }
            catch (OperationCanceledException)
            {
                return training.Snapshot; // nothing has changed, or the page is left
            }
        }

        private TrainingReport Of(FederationSnapshot snapshot) => TrainingReport.Of(snapshot, protocols.Amqp?.Status,
            snapshot.StartedAt is { } start ? (snapshot.EndedAt() ?? time.GetUtcNow()) - start : null);
    }

    // Once it is over, the clock of the page stands still: the rounds' times add up to the whole.
    private static DateTimeOffset? EndedAt(this FederationSnapshot snapshot) => snapshot.Phase
        == FederationPhase.Complete
        ? snapshot.StartedAt + snapshot.Rounds.Aggregate(TimeSpan.Zero, (sum, round) => sum + round.Duration)
        : null;
}
