using System.Text.Json;
using RecipeService.Http;
using SafeAmqp;

namespace RecipeService.Analysis;

/// <summary>
/// Asks the analysis worker: remote calls whose replies come to an exclusive queue, matched by correlation id.
/// </summary>
/// <remarks>
/// Any number of request threads call this at once. None of them touches a connection; all use the one client.
/// </remarks>
internal sealed class AnalysisService(
    IAmqpClient amqp, RecipeSettings settings, BrokerGate gate, ILogger<AnalysisService> log)
{
    private readonly AmqpCallOptions _options = new()
    {
        Timeout = settings.AnalysisTimeout,
        ReplyTo = AmqpReplyAddress.Exclusive
    };

    public Task<JsonElement> AnalyzeRecipeAsync(string userInput, CancellationToken cancellationToken)
        => AskAsync(new AnalysisRequest(userInput), cancellationToken);

    public Task<JsonElement> AnalyzeImageAsync(string s3Url, string description, CancellationToken cancellationToken)
    {
        string image = JsonSerializer.Serialize(
            new ImageInput(s3Url, description), AnalysisMessagesJson.Default.ImageInput);
        return AskAsync(new AnalysisRequest(image), cancellationToken);
    }

    private async Task<JsonElement> AskAsync(AnalysisRequest request, CancellationToken cancellationToken)
    {
        await gate.PassAsync(cancellationToken);

        // Random, so that no other client can guess it and answer in the worker's place; made here, so that the log
        // lines can name it.
        string id = Guid.NewGuid().ToString("N");
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(request, AnalysisMessagesJson.Default.AnalysisRequest);
        var message = AmqpMessage.ToQueue(settings.AnalysisQueue, body) with
        {
            CorrelationId = id,
            ContentType = "application/json"
        };

        var call = amqp.CallAsync(message, _options, cancellationToken);
        log.AiRequestPublished(id);
        var reply = await call;
        log.AiResponseReceived(id);
        return ReadResult(reply.Body);
    }

    private static JsonElement ReadResult(ReadOnlyMemory<byte> body)
    {
        AnalysisAnswer? answer;
        try
        {
            answer = JsonSerializer.Deserialize(body.Span, AnalysisMessagesJson.Default.AnalysisAnswer);
        }
        catch (JsonException error)
        {
            throw WorkerException.Unreadable(error);
        }

        return answer switch
        {
            { Success: true, Result: { ValueKind: JsonValueKind.Object } result } => result,
            { Success: false } => throw WorkerException.Refused(answer.Error ?? "The worker gave no reason."),
            _ => throw WorkerException.Unreadable(),
        };
    }
}
