using System.Text.Json;
using ImageServer.Protocol;
using ImageWorkers.Painting;
using SafeAmqp;

namespace ImageWorkers.Messaging;

/// <summary>Answers prompts with pictures.</summary>
internal sealed class GenerateServer(
    IEnumerable<IImageModel> models, Cancellations cancellations, ILogger<GenerateServer> log) : IAmqpServer
{
    public ValueTask<AmqpMessage> HandleAsync(AmqpDelivery request, CancellationToken abandoned)
        => cancellations.RunAsync(request, unwanted => DrawAsync(request, unwanted), abandoned);

    private async ValueTask<AmqpMessage> DrawAsync(AmqpDelivery delivery, CancellationToken unwanted)
    {
        if (Replies.Read(
            delivery, WorkerJson.Default.GenerateRequest) is not { Prompt: { } prompt, Model: { } name } request)
            return Replies.Refusal("This is no request for a picture");
        if (models.FirstOrDefault(model => model.Name == name) is not { } model)
            return Replies.Refusal($"There is no model {name}");
        log.Begun(delivery.Message.MessageId ?? "");
        var picture = await model.DrawAsync(prompt, request.Seed, unwanted);
        log.Drawn(delivery.Message.MessageId ?? "", picture.Length);
        return Replies.Picture(picture, prompt);
    }
}

/// <summary>Answers searches with one picture of those found.</summary>
internal sealed class SearchServer(Searching.Catalogue catalogue, Cancellations cancellations) : IAmqpServer
{
    public ValueTask<AmqpMessage> HandleAsync(AmqpDelivery request, CancellationToken abandoned)
        => cancellations.RunAsync(request, unwanted => FindAsync(request, unwanted), abandoned);

    private async ValueTask<AmqpMessage> FindAsync(AmqpDelivery delivery, CancellationToken unwanted)
    {
        if (Replies.Read(delivery, WorkerJson.Default.SearchRequest) is not { Words: { } words, Number: >= 0 } request)
            return Replies.Refusal("This is no search");
        var found = catalogue.Find(words);
        if (found.Count == 0)
            return new AmqpMessage { Persistent = false };
        var entry = found[request.Number % found.Count];
        return Replies.Picture(await entry.LoadAsync(unwanted), entry.Title, found.Count);
    }
}

/// <summary>The forms of replies.</summary>
internal static class Replies
{
    public static T? Read<T>(
        AmqpDelivery delivery, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type) where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(delivery.Body.Span, type);
        }
        catch (JsonException)
        {
            return null; // the caller says so
        }
    }

    // Lost with the connection of the server that waits for them, so nothing is gained by keeping them on a disk.
    public static AmqpMessage Picture(ReadOnlyMemory<byte> picture, string title, int matches = 1) => new()
    {
        Body = picture,
        Persistent = false,
        Headers = new Dictionary<string, object?>
        {
            [WorkerMessages.TitleHeader] = title,
            [WorkerMessages.MatchesHeader] = matches
        },
    };

    public static AmqpMessage Refusal(string reason) => new()
    {
        Persistent = false,
        Headers = new Dictionary<string, object?> { [WorkerMessages.ErrorHeader] = reason },
    };
}
