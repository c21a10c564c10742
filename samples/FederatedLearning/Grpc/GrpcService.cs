using System.Globalization;
using System.Text.Json;
using FederatedLearning.Encoding;
using FederatedLearning.Grpc.Wire;
using FederatedLearning.Messages;
using FederatedLearning.Protocol;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.Extensions.Logging;
using ClientMessage = FederatedLearning.Grpc.Wire.ClientMessage;
using ClientRegistration = FederatedLearning.Messages.ClientRegistration;

namespace FederatedLearning.Grpc;

/// <summary>What clients call. The library makes one for each call; all state is the handler's.</summary>
internal sealed class GrpcService(GrpcProtocolHandler handler) : FederatedLearningService.FederatedLearningServiceBase
{
    private static readonly Acknowledgment Done = new() { Success = true };
    private static readonly TimeSpan FarewellPatience = TimeSpan.FromSeconds(2);

    /// <summary>
    /// A client's stream. One loop reads, one writes; it ends when the client leaves, does not read, or is not wanted
    /// any more.
    /// </summary>
    public override async Task Connect(
        IAsyncStreamReader<ClientMessage> requests, IServerStreamWriter<ServerMessage> responses,
        ServerCallContext context)
    {
        await context.WriteResponseHeadersAsync([]); // the client knows from them that it is connected
        var way = new StreamWay();
        using var reading = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, handler.GivenUp);
        var writing = WriteAllAsync(way, responses, context);
        // A client that is told of the end ends its side. If the server ended a stream that is still open on the other
        // side, and then the connection, a client might lose what it has received and not read yet.
        var ending = writing.ContinueWith(_ => reading.CancelAfter(FarewellPatience), CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        string why = "its stream ended";
        try
        {
            await ReadAllAsync(way, requests, context.Peer, writing, reading.Token);
        }
        catch (Exception error) when (error is OperationCanceledException or IOException or InvalidOperationException)
        {
            // The client is gone without a word, or has not ended its side.
        }
        catch (RpcException error)
        {
            // Too large, or no message at all.
            why = error.Status.Detail;
            handler.Log.Refused(way.Client?.Value ?? context.Peer, why);
            await handler.Context.Federation.MessageRefusedAsync(way.Client, why);
            throw;
        }
        finally
        {
            // A server that stops has told its clients the end, and they have not left it.
            if (!handler.Stopping.IsCancellationRequested)
            {
                way.Complete();
                if (way.Client is { } client && handler.Ways.Remove(client, way))
                    await handler.Context.Federation.ClientLeftAsync(client, why);
            }
            await writing;
            await ending;
        }
    }

    public override Task<Acknowledgment> RegisterClient(Wire.ClientRegistration request, ServerCallContext context)
        => AnswerAsync(request, request.ClientId, request.ClientName, client =>
        {
            return handler.Inbox.TakeAsync(new ClientRegistration(client), id =>
            {
                // One that was rejected begins anew.
                if (handler.Ways.Find(id) is not PollWay { State.IsRejected: false })
                    handler.Enter(id, new PollWay(handler.Time), "polling");
                return default;
            }, context.CancellationToken);
        });

    public override Task<Acknowledgment> SendModelUpdate(ModelUpdate request, ServerCallContext context)
        => AnswerAsync(request, request.ClientId, request.ClientName, async client =>
        {
            var update = new ClientUpdate(
                client,
                request.Round,
                WeightEncoding.FromBytes(request.Weights.Span),
                request.NumSamples,
                new ReportedMetrics(request.Loss, request.Accuracy));
            return Note(await TakeAsync(update, context), client, new StartTraining(request.Round));
        });

    public override Task<Acknowledgment> SendEvaluationMetrics(EvaluationMetrics request, ServerCallContext context)
        => AnswerAsync(request, request.ClientId, request.ClientName, async client =>
        {
            var metrics = new ClientMetrics(
                client, request.Round, request.NumSamples, new ReportedMetrics(request.Loss, request.Accuracy),
                request.ClientConverged);
            return Note(await TakeAsync(metrics, context), client, new StartEvaluation(request.Round));
        });

    public override Task<Wire.GlobalModel> GetGlobalModel(ClientInfo request, ServerCallContext context)
    {
        var state = PollerOf(request).State;
        var answer = new Wire.GlobalModel();
        if (state.Model is { } model)
        {
            answer.Round = model.Round;
            answer.Weights = UnsafeByteOperations.UnsafeWrap(model.ToBytes());
            answer.ModelConfig =
                state.Config is { } config ? JsonSerializer.Serialize(config, GrpcJsonContext.Default.ModelConfig) : "";
        }
        if (state.How is { } how) (answer.BatchSize, answer.LocalEpochs) = (how.BatchSize, how.LocalEpochs);
        return Sent(answer);
    }

    public override Task<TrainingStatus> CheckTrainingStatus(ClientInfo request, ServerCallContext context)
    {
        var state = PollerOf(request).State;
        return Sent(new TrainingStatus
        {
            StartTraining = state.Order is StartTraining,
            StartEvaluation = state.Order is StartEvaluation,
            TrainingComplete = state.IsComplete,
            CurrentRound = state.Order switch
            {
                StartTraining training => training.Round,
                StartEvaluation evaluation => evaluation.Round,
                _ => state.Model?.Round ?? 0,
            },
            Rejected = state.IsRejected,
            Reason = state.Reason,
        });
    }

    private async Task ReadAllAsync(
        StreamWay way, IAsyncStreamReader<ClientMessage> requests, string peer, Task writing,
        CancellationToken cancellationToken)
    {
        while (await requests.MoveNext(cancellationToken))
        {
            if (writing.IsCompleted || handler.Stopping.IsCancellationRequested) continue; // nothing more is taken in
            var message = requests.Current;
            // Until a client has registered, it has no identity and may do nothing else.
            string kind = way.Client is null && message.MessageType != ClientJson.Register
                ? "a message before the registration"
                : message.MessageType;
            string? refused = await handler.Inbox.TakeAsync(message.Json.Memory, kind, way.Client, client =>
            {
                way.Client = client;
                if (!ReferenceEquals(handler.Ways.Find(client), way)) handler.Enter(client, way, "stream");
                return default;
            }, cancellationToken);
            if (refused is not null) handler.Log.Refused(way.Client?.Value ?? peer, refused);
        }
    }

    private async Task WriteAllAsync(
        StreamWay way, IServerStreamWriter<ServerMessage> responses, ServerCallContext context)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, handler.GivenUp);
        try
        {
            await foreach (var message in way.Queue.TakeAllAsync(end.Token))
            {
                var json = message.ToJson();
                var written = responses.WriteAsync(
                    new ServerMessage
                    {
                        MessageType = message.MessageType,
                        Json = UnsafeByteOperations.UnsafeWrap(json)
                    }, end.Token);
                await written.WaitAsync(handler.Settings.SendTimeout, handler.Time, end.Token);
                handler.Context.Traffic.Sent(json.Length);
                handler.Log.Sent(message.MessageType, way.Client?.Value ?? "?");
                if (message is Rejected) return;
            }
        }
        catch (TimeoutException)
        {
            handler.Log.NeverReads(way.Client?.Value ?? context.Peer);
            context.GetHttpContext().Abort();
        }
        catch (Exception error)
            when (error is OperationCanceledException or IOException or InvalidOperationException or RpcException)
        {
            // The client is gone; its reading loop tells.
        }
    }

    // A call's answer, and what is wrong with it told: to the client, and to the core.
    private async Task<Acknowledgment> AnswerAsync(
        IMessage request, int id, string name, Func<ClientId, ValueTask<MessageVerdict>> take)
    {
        handler.Context.Traffic.Received(request.CalculateSize());
        var client = IdOf(id, name);
        try
        {
            Heard(client);
            var verdict = await take(client);
            if (verdict != MessageVerdict.Refused) return await Sent(Done);
            string reason = (handler.Ways.Find(client) as PollWay)?.State.Reason ?? "";
            return await Sent(new Acknowledgment { Message = reason.Length > 0 ? reason : "refused" });
        }
        catch (MessageRefusedException refused)
        {
            handler.Log.Refused(client.Value, refused.Message);
            await handler.Context.Federation.MessageRefusedAsync(client, refused.Message);
            return await Sent(new Acknowledgment { Message = refused.Message });
        }
    }

    private ValueTask<MessageVerdict> TakeAsync(Messages.ClientMessage message, ServerCallContext context)
        => handler.Inbox.TakeAsync(message, _ => default, context.CancellationToken);

    private MessageVerdict Note(MessageVerdict verdict, ClientId client, OutgoingMessage order)
    {
        if (verdict != MessageVerdict.Refused && handler.Ways.Find(client) is PollWay poll) poll.Answered(order);
        return verdict;
    }

    private PollWay PollerOf(ClientInfo request)
    {
        handler.Context.Traffic.Received(request.CalculateSize());
        var client = IdOf(request.ClientId, request.ClientName);
        Heard(client);
        return handler.Ways.Find(client) as PollWay
            ?? throw new RpcException(new global::Grpc.Core.Status(
                StatusCode.FailedPrecondition, $"client {client} is not registered: call RegisterClient"));
    }

    // Calls do not say over which connection a client has registered: one that has a stream does not poll as well.
    private void Heard(ClientId client)
    {
        switch (handler.Ways.Find(client))
        {
            case PollWay poll: poll.Heard(); break;
            case StreamWay:
                throw new RpcException(new global::Grpc.Core.Status(
                    StatusCode.FailedPrecondition, $"client {client} is connected by a stream"));
        }
    }

    private static ClientId IdOf(int id, string name)
        => ClientId.TryParse(name.Length > 0 ? name : id.ToString(CultureInfo.InvariantCulture), out var client)
            ? client
            : throw new RpcException(new global::Grpc.Core.Status(
                StatusCode.InvalidArgument,
                $"client_name must be 1 to {ClientId.MaxLength} letters, digits, '_' or '-'"));

    private Task<T> Sent<T>(T answer) where T : IMessage
    {
        handler.Context.Traffic.Sent(answer.CalculateSize());
        return Task.FromResult(answer);
    }
}

/// <summary><c>model_config</c> in JSON, as in every other protocol.</summary>
[System.Text.Json.Serialization.JsonSourceGenerationOptions(
    PropertyNamingPolicy = System.Text.Json.Serialization.JsonKnownNamingPolicy.SnakeCaseLower)]
[System.Text.Json.Serialization.JsonSerializable(typeof(Model.ModelConfig))]
internal sealed partial class GrpcJsonContext : System.Text.Json.Serialization.JsonSerializerContext;
